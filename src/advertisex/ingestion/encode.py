"""Encode records as messages: JSON, or Avro if that is the wire format of the feed."""

from typing import Any

from advertisex.codecs.avro_encode import bid_encoder
from advertisex.codecs.json_encode import json_message, json_texts
from advertisex.codecs.json_text import NOT_JSON, json_object
from advertisex.feeds import Feed
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.numbers import NumberStyle, PlainNumbers
from advertisex.ingestion.records import Record


class Encoder:
    """Encodes the records of a feed.

    Args:
        feed: feed of the records; its wire format decides the encoding.
        mapping: how columns map to fields.
        numbers: how numbers are written, if not plainly.

    Raises:
        ConfigurationError: the mapping names an unknown field.
    """

    def __init__(self, feed: Feed, mapping: FieldMapping = FieldMapping(), numbers: NumberStyle | None = None) -> None:
        self._numbers = PlainNumbers(feed, numbers) if numbers else None
        self._mapping = mapping.for_feed(feed) if mapping else None
        self._keeps = self._mapping is None and self._numbers is None
        self._binary = bid_encoder(feed) if feed.wire == "avro" else None

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The mapped columns that no record has contained so far."""
        return self._mapping.unmatched if self._mapping else ()

    @property
    def timed(self) -> int:
        """The number of records so far with a timestamp in one of the formats of the mapping."""
        return self._mapping.timed if self._mapping else 0

    @property
    def numbers(self) -> PlainNumbers | None:
        """What reads the numbers, with the counts of records that it has read; None if they are written plainly."""
        return self._numbers

    def messages(self, records: list[Record]) -> list[bytes]:
        """Return the message of each record."""
        if self._keeps:
            types = set(map(type, records))
            if types == {bytes}:
                return records  # type: ignore[return-value] # checked; a copy would dominate the cost
            if types == {dict} and self._binary is None and (messages := json_texts(records)):  # type: ignore[arg-type]
                return messages
        return list(map(self.message, records))

    def message(self, record: Record) -> bytes:
        """Return the message of a record."""
        if isinstance(record, bytes):
            return self._changed_json(record)
        changed = self._changed(record)
        if isinstance(changed, bytes):
            return changed
        framed = self._binary(changed) if self._binary else None
        return json_message(changed) if framed is None else framed

    def _changed(self, record: dict[str, Any]) -> dict[str, Any] | bytes:
        mapped = self._mapping.apply(record) if self._mapping else record
        return self._numbers.apply(mapped) if self._numbers else mapped

    def _changed_json(self, message: bytes) -> bytes:
        if self._keeps:
            return message
        try:
            # values stay raw, so that what is not changed reaches the log exactly as sent
            changed = self._changed(json_object(message))
        except NOT_JSON:
            return message
        return changed if isinstance(changed, bytes) else json_message(changed)
