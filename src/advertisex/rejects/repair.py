"""Repairs the messages of rejects: sets or renames fields and leaves the others unchanged."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from advertisex.codecs.avro_decode import avro_records, is_avro
from advertisex.codecs.json_decode import DECODE_ERRORS, not_utf8
from advertisex.codecs.json_text import json_object
from advertisex.codecs.unreadable import unwrap
from advertisex.feeds import Feed
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Record
from advertisex.model import Position
from advertisex.rejects.selection import Selection, positions_of


class Repairer:
    """Repairs the messages of a feed.

    A JSON message stays JSON, and its other values keep their notation. An Avro message is encoded
    the way ingestion encodes it. Of an input that ingestion could not read, the input itself is repaired.

    Args:
        feed: the feed of the messages.
        mapping: the repair; an empty mapping leaves every message unchanged.

    Raises:
        ConfigurationError: the mapping contains an unknown field.
    """

    def __init__(self, feed: Feed, mapping: FieldMapping) -> None:
        self._feed = feed
        self._encoder = Encoder(feed, mapping) if mapping else None
        self._read_avro = avro_records(feed) if feed.wire == "avro" else None
        # a constant replaces all aliases of its field, which may contain the rejected value
        overruled = {name for target in mapping.constants if (f := feed.field_named(target)) for name in f.aliases}
        self._overruled = overruled - mapping.rename.keys()

    def __call__(self, payload: bytes) -> bytes | None:
        """Repair a message; None if it cannot be decoded as a record."""
        unreadable = unwrap(payload)
        if unreadable is not None:
            payload = unreadable.body
        if self._encoder is None:
            return payload if unreadable is None or _is_object(payload) else None
        try:
            repaired = self._encoder.message(self._record_of(payload))
        except DECODE_ERRORS:
            return None
        return repaired if is_avro(repaired, self._feed) or not not_utf8(repaired) else None

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The columns of the mapping that no message has had so far."""
        return self._encoder.unmatched if self._encoder else ()

    def _record_of(self, payload: bytes) -> Record:
        if self._read_avro is None:
            return {name: value for name, value in json_object(payload).items() if name not in self._overruled}
        if is_avro(payload, self._feed):
            return self._read_avro(payload)
        json_object(payload)  # check that it is a JSON object
        return payload


def _is_object(payload: bytes) -> bool:
    try:
        json_object(payload)
    except DECODE_ERRORS:
        return False
    return not_utf8(payload) is None


@dataclass(frozen=True, slots=True)
class Repaired:
    """Repaired messages of one feed.

    Attributes:
        feed: name of the feed.
        messages: messages by the position of their reject.
        unrepairable: number of further rejects, which cannot be decoded as a record.
    """

    feed: str
    messages: dict[Position, bytes]
    unrepairable: int


class Repairs:
    """Repairs selected rejects.

    Args:
        selection: the selection.
        feeds: names of the feeds that have rejects in it.

    Raises:
        ConfigurationError: the mapping contains a field that one of these feeds does not have.
    """

    def __init__(self, selection: Selection, feeds: Iterable[str]) -> None:
        self._columns = tuple(selection.mapping.rename)
        self._repairers = {name: Repairer(selection.feeds[name], selection.mapping) for name in sorted(feeds)}

    def repair(self, feed: str, rejects: pl.DataFrame) -> Repaired:
        """Repair rejects of one feed."""
        results = zip(positions_of(rejects), map(self._repairers[feed], rejects["payload"]), strict=True)
        messages = {position: message for position, message in results if message is not None}
        return Repaired(feed, messages, rejects.height - len(messages))

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The columns of the mapping that no message has had so far."""
        return tuple(name for name in self._columns if all(name in r.unmatched for r in self._repairers.values()))
