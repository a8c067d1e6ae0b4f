"""Repairs the messages of rejects: sets or renames fields, or reads values again, and leaves the others unchanged."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from advertisex.codecs.avro_decode import avro_records, is_avro
from advertisex.codecs.json_decode import DECODE_ERRORS, not_utf8
from advertisex.codecs.json_framing import json_text
from advertisex.codecs.json_text import json_object
from advertisex.codecs.unreadable import unwrap
from advertisex.feeds import Feed
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.encodings import shown_encoding
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.numbers import NumberStyle
from advertisex.ingestion.records import Record
from advertisex.model import Position
from advertisex.rejects.selection import Selection, positions_of


class Repairer:
    """Repairs the messages of a feed.

    A JSON message stays JSON, without what surrounds it, and its other values keep their notation. An Avro message is
    encoded the way ingestion encodes it. Of an input that ingestion could not read, the input itself is repaired.

    Args:
        feed: the feed of the messages.
        mapping: the repair; without any repair, every message is left unchanged.
        numbers: how numbers in text are written, if not plainly.
        encoding: the encoding of text that is not UTF-8.

    Raises:
        ConfigurationError: the mapping contains an unknown field.
    """

    def __init__(
        self, feed: Feed, mapping: FieldMapping, numbers: NumberStyle | None = None, encoding: str | None = None
    ) -> None:
        self._feed, self._encoding, self._decoded = feed, encoding, 0
        self._has_formats = bool(mapping.time_formats)
        self._encoder = Encoder(feed, mapping, numbers) if mapping or numbers else None
        self._read_avro = avro_records(feed) if feed.wire == "avro" else None
        # a constant replaces all aliases of its field, which may contain the rejected value
        overruled = {name for target in mapping.constants if (f := feed.field_named(target)) for name in f.aliases}
        self._overruled = overruled - mapping.rename.keys()

    def __call__(self, payload: bytes) -> bytes | None:
        """Repair a message; None if it cannot be decoded as a record."""
        unreadable = unwrap(payload)
        if unreadable is not None:
            payload = unreadable.body
        is_decoded = self._encoding is not None and not is_avro(payload, self._feed) and _is_undecoded(payload)
        if is_decoded:
            self._decoded += 1
            payload = _decoded(payload, str(self._encoding))
        if self._encoder is None:
            return payload if (unreadable is None and not is_decoded) or _is_object(payload) else None
        try:
            repaired = self._encoder.message(self._record_of(payload))
        except DECODE_ERRORS:
            return None
        return repaired if is_avro(repaired, self._feed) or not not_utf8(repaired) else None

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The columns of the mapping that no message has had so far."""
        return self._encoder.unmatched if self._encoder else ()

    @property
    def applied(self) -> Counter[str]:
        """The number of messages so far to which each option of reading applied."""
        applied: Counter[str] = Counter()
        if self._encoding is not None:
            applied["--encoding"] = self._decoded
        if self._encoder and self._has_formats:
            applied["--time-format"] = self._encoder.timed
        if self._encoder and self._encoder.numbers:
            applied["--decimal"] = self._encoder.numbers.found
        return applied

    @property
    def two_readings(self) -> int:
        """The number of messages so far with a number that is also a plain one, of another value."""
        return self._encoder.numbers.two_readings if self._encoder and self._encoder.numbers else 0

    def _record_of(self, payload: bytes) -> Record:
        text = json_text(payload)
        if self._read_avro is None:
            return {name: value for name, value in json_object(text).items() if name not in self._overruled}
        if is_avro(payload, self._feed):
            return self._read_avro(payload)
        json_object(text)  # check that it is a JSON object
        return text


def _is_undecoded(payload: bytes) -> bool:
    """Whether bytes are not text in UTF-8: they have not been decoded before, so an encoding can apply to them."""
    return b"\0" in payload or not_utf8(payload) is not None


def _decoded(payload: bytes, encoding: str) -> bytes:
    """Text in UTF-8; b"" if the bytes are not text in the encoding, or the order of its bytes is unknown."""
    shown, mark = shown_encoding(payload[:4])
    if not (mark and shown) and encoding in {"utf-16", "utf-32"}:
        return b""
    try:
        return payload[mark:].decode(shown if mark and shown else encoding).encode()
    except UnicodeError:
        return b""


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


@dataclass(frozen=True, slots=True)
class Applied:
    """To what the options of a repair did not apply.

    Attributes:
        unmatched: columns of the mapping that no message has.
        unaffected: number of rejects that an option of reading does not apply to, by option.
        two_readings: number of messages with a number that was read as the options say, but is also a plain number of
            another value: its source may have been read with the same options before.
    """

    unmatched: tuple[str, ...] = ()
    unaffected: Mapping[str, int] = field(default_factory=dict)
    two_readings: int = 0


class Repairs:
    """Repairs selected rejects.

    Args:
        selection: the selection.
        feeds: names of the feeds that have rejects in it.

    Raises:
        ConfigurationError: the mapping contains a field that one of these feeds does not have.
    """

    def __init__(self, selection: Selection, feeds: Iterable[str]) -> None:
        self._columns, self._repaired = tuple(selection.mapping.rename), 0
        self._repairers = {
            name: Repairer(selection.feeds[name], selection.mapping, selection.numbers, selection.encoding)
            for name in sorted(feeds)
        }

    def repair(self, feed: str, rejects: pl.DataFrame) -> Repaired:
        """Repair rejects of one feed."""
        results = zip(positions_of(rejects), map(self._repairers[feed], rejects["payload"]), strict=True)
        messages = {position: message for position, message in results if message is not None}
        self._repaired += rejects.height
        return Repaired(feed, messages, rejects.height - len(messages))

    @property
    def applied(self) -> Applied:
        """To what the options did not apply so far."""
        if not self._repaired:
            return Applied()
        applied: Counter[str] = Counter()
        for repairer in self._repairers.values():
            applied.update(repairer.applied)  # keeps those that applied to none
        unaffected = {option: self._repaired - count for option, count in applied.items() if count < self._repaired}
        two_readings = sum(repairer.two_readings for repairer in self._repairers.values())
        return Applied(self._unmatched(), unaffected, two_readings)

    def _unmatched(self) -> tuple[str, ...]:
        return tuple(name for name in self._columns if all(name in r.unmatched for r in self._repairers.values()))
