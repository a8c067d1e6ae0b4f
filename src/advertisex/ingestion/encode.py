"""Encode records as messages: JSON, or Avro if that is the wire format of the feed."""

from advertisex.codecs.avro_encode import bid_encoder
from advertisex.codecs.json_encode import json_message
from advertisex.codecs.json_split import NOT_JSON, json_object
from advertisex.feeds import Feed
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Record

_BYTES_ONLY = {bytes}


class Encoder:
    """Encodes the records of a feed.

    Args:
        feed: feed of the records; its wire format decides the encoding.
        mapping: how columns map to fields.

    Raises:
        ConfigurationError: the mapping names an unknown field.
    """

    def __init__(self, feed: Feed, mapping: FieldMapping = FieldMapping()) -> None:
        self._mapping = mapping.for_feed(feed) if mapping else None
        self._binary = bid_encoder(feed) if feed.wire == "avro" else None

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The mapped columns that no record has contained so far."""
        return self._mapping.unmatched if self._mapping else ()

    def messages(self, records: list[Record]) -> list[bytes]:
        """Return the message of each record."""
        if self._mapping is None and set(map(type, records)) == _BYTES_ONLY:
            return records  # type: ignore[return-value] # checked above; a copy would dominate the cost
        return list(map(self.message, records))

    def message(self, record: Record) -> bytes:
        """Return the message of a record."""
        if isinstance(record, bytes):
            return self._mapped_json(record)
        mapped = self._mapping.apply(record) if self._mapping else record
        framed = self._binary(mapped) if self._binary else None
        return json_message(mapped) if framed is None else framed

    def _mapped_json(self, message: bytes) -> bytes:
        if self._mapping is None:
            return message
        try:
            # values stay raw, so that unmapped ones reach the log exactly as sent
            return json_message(self._mapping.apply(json_object(message)))
        except NOT_JSON:
            return message
