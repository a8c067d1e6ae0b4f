"""Look up stored events by their ids."""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote

import msgspec
import polars as pl

from advertisex.model import Partition
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.failures import Problem
from advertisex.stores.elasticsearch.frames import frame_of

_IDS = 10_000
#: Errors of single documents, in a response with status 200, while the shards of a restarted node are unavailable.
_UNAVAILABLE = frozenset(
    {"no_shard_available_action_exception", "unavailable_shards_exception", "node_closed_exception"}
)
_WHAT = "look up stored events"
_QUERY = "filter_path=docs._source,docs.found,docs.error"
_POSITION = "_source_includes=topic,partition,offset"


class _Position(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Found(msgspec.Struct):
    found: bool = False
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))
    error: Problem | None = None


class _Answer(msgspec.Struct):
    docs: list[_Found] = []


def stored_events(
    connection: Connection,
    index: str,
    ids: Sequence[bytes],
    columns: Mapping[str, pl.DataType],
    stop: threading.Event,
) -> tuple[pl.DataFrame, list[int]]:
    """Look up events whose ids exist, including every completed write.

    Returns:
        The stored events: event_id and the columns; and the places of ids that no longer exist.
    """
    schema = {"event_id": pl.Binary(), **columns}
    frames, gone = [pl.DataFrame(schema=schema)], list[int]()
    for start in range(0, len(ids), _IDS):
        part = ids[start : start + _IDS]
        body = {"ids": [event_id.hex() for event_id in part]}
        found = _ask(connection, f"/{quote(index)}/_mget?{_QUERY}", body, stop)
        stored = {event_id: one.source for event_id, one in zip(part, found, strict=True) if one.found}
        frames.append(frame_of(list(stored.values()), schema, list(stored)))
        gone += [place for place, one in enumerate(found, start) if not one.found]
    return pl.concat(frames), gone


def documents_from(
    connection: Connection, names: Sequence[tuple[str, str]], of: Partition, offsets: Iterable[int]
) -> list[tuple[str, str]]:
    """The given documents (index, id) that exist and came from these offsets of a partition, one offset each."""
    places, left = list(offsets), list[tuple[str, str]]()
    absent = frozenset({"index_not_found_exception"})
    for start in range(0, len(names), _IDS):
        some = names[start : start + _IDS]
        body = {"docs": [{"_index": index, "_id": name} for index, name in some]}
        found = _ask(connection, f"/_mget?{_QUERY}&{_POSITION}", body, threading.Event(), absent)
        for name, offset, document in zip(some, places[start:], found, strict=False):
            if document.found:
                at = msgspec.json.decode(document.source, type=_Position)
                if at == _Position(*of, offset):
                    left.append(name)
    return left


def _ask(
    connection: Connection, path: str, body: object, stop: threading.Event, absent: Collection[str] = ()
) -> list[_Found]:
    """The documents, in order; an error whose type is in `absent` means that a document does not exist."""
    backoff = connection.backoff(_WHAT, None, stop)
    while True:
        answer = connection.request("POST", path, body, what=_WHAT, backoff=backoff)
        found = msgspec.json.decode(answer.data, type=_Answer).docs
        problem = next((one.error for one in found if one.error is not None and one.error.type not in absent), None)
        if problem is None:
            backoff.done()
            return found
        if problem.type not in _UNAVAILABLE:
            raise connection.failure(_WHAT, HTTPStatus.NOT_FOUND, problem)
        backoff.pause(str(problem))
