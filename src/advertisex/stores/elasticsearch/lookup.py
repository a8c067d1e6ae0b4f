"""Look up stored events: redelivered ones came from the same position, duplicates from another."""

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import msgspec
import polars as pl

from advertisex.model import Partition
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.failures import Problem

_IDS = 10_000
#: Errors of single documents, in a response with status 200, while the shards of a restarted node are unavailable.
_UNAVAILABLE = frozenset(
    {"no_shard_available_action_exception", "unavailable_shards_exception", "node_closed_exception"}
)
_WHAT = "look up stored events"
_QUERY = "_source_includes=topic,partition,offset&filter_path=docs._source,docs.found,docs.error"


@dataclass(frozen=True, slots=True)
class Known:
    """Number of events that were stored before.

    Attributes:
        redelivered: from the same position, by a commit that did not reach the ledger.
        duplicates: from another position.
    """

    redelivered: int = 0
    duplicates: int = 0

    def __add__(self, other: "Known") -> "Known":
        return Known(self.redelivered + other.redelivered, self.duplicates + other.duplicates)


class _Position(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Found(msgspec.Struct):
    found: bool = False
    source: _Position | None = msgspec.field(name="_source", default=None)
    error: Problem | None = None


class _Answer(msgspec.Struct):
    docs: list[_Found] = []


def known_of(
    connection: Connection, index: str, events: pl.DataFrame, of: Partition, stop: threading.Event
) -> tuple[Known, list[int]]:
    """Look up events whose ids exist, including every completed write.

    Returns:
        Counts of the known events, and the rows of events that no longer exist.
    """
    known, gone = Known(), list[int]()
    for start in range(0, events.height, _IDS):
        part = events[start : start + _IDS]
        found = _look_up(connection, index, part["event_id"].to_list(), stop)
        redelivered = duplicates = 0
        for row, (offset, document) in enumerate(zip(part["offset"].to_list(), found, strict=True), start):
            position = document.source
            if position is None:
                gone.append(row)
            elif (position.topic, position.partition, position.offset) == (*of, offset):
                redelivered += 1
            else:
                duplicates += 1
        known += Known(redelivered, duplicates)
    return known, gone


def documents_from(
    connection: Connection, names: Sequence[tuple[str, str]], of: Partition, offsets: Iterable[int]
) -> list[tuple[str, str]]:
    """The given documents (index, id) that exist and came from these offsets of a partition, one offset each."""
    places, left = list(offsets), list[tuple[str, str]]()
    for start in range(0, len(names), _IDS):
        some = names[start : start + _IDS]
        body = {"docs": [{"_index": index, "_id": name} for index, name in some]}
        found = _ask(connection, "/_mget", body, threading.Event(), absent=frozenset({"index_not_found_exception"}))
        for name, offset, document in zip(some, places[start:], found, strict=False):
            if document.source == _Position(*of, offset):
                left.append(name)
    return left


def _look_up(connection: Connection, index: str, ids: list[bytes], stop: threading.Event) -> list[_Found]:
    return _ask(connection, f"/{quote(index)}/_mget", {"ids": [event_id.hex() for event_id in ids]}, stop)


def _ask(
    connection: Connection, path: str, body: object, stop: threading.Event, absent: Collection[str] = ()
) -> list[_Found]:
    """The documents, in order; an error whose type is in `absent` means that a document does not exist."""
    backoff = connection.backoff(_WHAT, None, stop)
    while True:
        answer = connection.request("POST", f"{path}?{_QUERY}", body, what=_WHAT, backoff=backoff)
        found = msgspec.json.decode(answer.data, type=_Answer).docs
        problem = next((one.error for one in found if one.error is not None and one.error.type not in absent), None)
        if problem is None:
            backoff.done()
            return found
        if problem.type not in _UNAVAILABLE:
            raise connection.failure(_WHAT, HTTPStatus.NOT_FOUND, problem)
        backoff.pause(str(problem))
