"""Notes in Elasticsearch: one document per note, in a separate index."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.search import search_all


class _Note(msgspec.Struct):
    kind: str
    key: str
    document: str


class _Count(msgspec.Struct):
    count: int = 0


class Notes:
    """The documents of one index of notes.

    Args:
        connection: connection to the cluster.
        index: name of the index.
    """

    def __init__(self, connection: Connection, index: str) -> None:
        self._connection, self._index = connection, index

    def read(self, kind: str) -> dict[str, bytes]:
        """The notes of a kind, by key."""
        pages = search_all(self._connection, self._index, [{"key": "asc"}], query={"term": {"kind": kind}})
        notes = (msgspec.json.decode(hit.source, type=_Note) for page in pages for hit in page)
        return {note.key: b64decode(note.document) for note in notes}

    def count(self, kind: str) -> int:
        """The current number of notes of a kind; waits for an unreachable cluster."""
        backoff = self._connection.backoff("read the event store", None)
        path, query = f"/{quote(self._index)}", {"query": {"term": {"kind": kind}}}
        self._connection.request("POST", f"{path}/_refresh", backoff=backoff)
        answer = self._connection.request("POST", f"{path}/_count", query, backoff=backoff)
        backoff.done()
        return msgspec.json.decode(answer.data, type=_Count).count

    def write(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        """Write notes of a kind; None deletes one."""
        for key, document in notes.items():
            path = f"/{quote(self._index)}/_doc/{quote(f'{kind}/{key}', safe='')}"
            what = "write to the event store"
            if document is None:
                self._connection.request("DELETE", path, what=what, accept={HTTPStatus.NOT_FOUND})
            else:
                note = _Note(kind, key, b64encode(document).decode())
                self._connection.request("PUT", path, note, what=what)
