"""Notes in Elasticsearch: one document per note, in a separate index."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.documents import read_document, write_document
from advertisex.stores.elasticsearch.search import search_all

_WHAT = "write to the event store"


class _Note(msgspec.Struct):
    kind: str
    key: str
    document: str


class NoteVersion(msgspec.Struct):
    """A note as it was read, see `Notes.replace`; `document` is None if it does not exist."""

    document: bytes | None = None
    seq_no: int = 0
    primary_term: int = 0


class _Read(msgspec.Struct):
    source: _Note | None = msgspec.field(name="_source", default=None)
    seq_no: int = msgspec.field(name="_seq_no", default=0)
    primary_term: int = msgspec.field(name="_primary_term", default=0)


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

    def current(self, kind: str, key: str, *, forever: bool = True) -> NoteVersion:
        """One note, including every completed write; with `forever`, wait for an unreachable cluster."""
        backoff = self._connection.backoff("read the event store", None) if forever else None
        found = read_document(self._connection, self._path(kind, key), _Read, backoff=backoff)
        if found is None or found.source is None:
            return NoteVersion()
        return NoteVersion(b64decode(found.source.document), found.seq_no, found.primary_term)

    def replace(self, kind: str, key: str, before: NoteVersion, document: bytes) -> None:
        """Write a note, unless it was written since it was read: then nothing is done."""
        guard = f"if_seq_no={before.seq_no}&if_primary_term={before.primary_term}"
        guard = "op_type=create" if before.document is None else guard
        note, backoff = _Note(kind, key, b64encode(document).decode()), self._connection.backoff(_WHAT, None)
        path = f"{self._path(kind, key)}?{guard}"
        write_document(self._connection, path, note, accept={HTTPStatus.CONFLICT}, backoff=backoff)

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
            path = self._path(kind, key)
            if document is None:
                self._connection.request("DELETE", path, what=_WHAT, accept={HTTPStatus.NOT_FOUND})
            else:
                write_document(self._connection, path, _Note(kind, key, b64encode(document).decode()))

    def _path(self, kind: str, key: str) -> str:
        return f"/{quote(self._index)}/_doc/{quote(f'{kind}/{key}', safe='')}"
