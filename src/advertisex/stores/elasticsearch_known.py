"""Whether a stored event came from this very position, or the event is a duplicate of another message's."""

import threading
from dataclasses import dataclass
from urllib.parse import quote

import msgspec
import polars as pl

from advertisex.batches import Partition
from advertisex.errors import StoreError
from advertisex.stores.elasticsearch_client import Connection, Problem

_IDS = 10_000
_WHAT = "look up stored events"
_QUERY = "_source_includes=topic,partition,offset&filter_path=docs._source,docs.found,docs.error"


@dataclass(frozen=True, slots=True)
class Known:
    """Events that were stored before.

    Attributes:
        replays: by a commit of this same position that did not reach the ledger.
        duplicates: from another position.
    """

    replays: int = 0
    duplicates: int = 0

    def __add__(self, other: "Known") -> "Known":
        return Known(self.replays + other.replays, self.duplicates + other.duplicates)


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
    """Look up events whose ids are taken. This read sees every write that has ended.

    Returns:
        How they are known; and the rows of those that are not there any more.
    """
    known, gone = Known(), list[int]()
    for start in range(0, events.height, _IDS):
        part = events[start : start + _IDS]
        body = {"ids": [event_id.hex() for event_id in part["event_id"]]}
        patience = connection.patience(_WHAT, None, stop)
        answer = connection.request("POST", f"/{quote(index)}/_mget?{_QUERY}", body, what=_WHAT, patience=patience)
        found = msgspec.json.decode(answer.data, type=_Answer).docs
        replays = duplicates = 0
        for row, (offset, document) in enumerate(zip(part["offset"].to_list(), found, strict=True), start):
            if document.error is not None:
                raise StoreError(f"cannot {_WHAT}: {document.error}", where=str(connection.address))
            position = document.source
            if position is None:
                gone.append(row)
            elif (position.topic, position.partition, position.offset) == (*of, offset):
                replays += 1
            else:
                duplicates += 1
        known += Known(replays, duplicates)
    return known, gone
