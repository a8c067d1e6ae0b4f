"""Encode records as messages: JSON, or Avro if the feed has its own schema."""

from collections.abc import Callable

from advertisex.codecs.avro_encode import bid_encoder
from advertisex.codecs.json_encode import json_message
from advertisex.codecs.json_split import NOT_JSON, json_object
from advertisex.feeds import Feed
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Chunk, Record

_BYTES_ONLY = {bytes}


def encoder(feed: Feed, mapping: FieldMapping, unmatched: set[str] | None = None) -> Callable[[Chunk], list[bytes]]:
    """Return a function that encodes chunks of records of one feed.

    Args:
        feed: feed of the records; its schema decides the encoding.
        mapping: how columns map to fields.
        unmatched: see `FieldMapping.for_feed`.

    Raises:
        ConfigurationError: the mapping names an unknown field.
    """
    transform = mapping.for_feed(feed, unmatched) if mapping else None
    binary = bid_encoder(feed) if feed.avro_schema is not None else None

    def one(record: Record) -> bytes:
        if isinstance(record, bytes):
            if transform is None:
                return record
            try:
                # values stay raw, so that unmapped ones reach the log exactly as sent
                return json_message(transform(json_object(record)))
            except NOT_JSON:
                return record
        mapped = transform(record) if transform else record
        framed = binary(mapped) if binary else None
        return json_message(mapped) if framed is None else framed

    def encode(chunk: Chunk) -> list[bytes]:
        if transform is None and set(map(type, chunk)) == _BYTES_ONLY:
            return chunk  # type: ignore[return-value] # checked above; a copy would dominate the cost
        return [one(record) for record in chunk]

    return encode


def to_message(record: Record, feed: Feed, mapping: FieldMapping = FieldMapping()) -> bytes:
    """Encode one record as a message of the feed; for many records, use `encoder`."""
    return encoder(feed, mapping)([record])[0]
