"""Records become messages: JSON, or the feed's own Avro where it has a schema."""

from collections.abc import Callable

from advertisex.feeds import Feed
from advertisex.ingestion.bid_message import bid_encoder
from advertisex.ingestion.json_message import json_message
from advertisex.ingestion.json_shape import NOT_JSON, json_object
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Chunk, Record

_BYTES_ONLY = {bytes}


def encoder(feed: Feed, mapping: FieldMapping, unmatched: set[str] | None = None) -> Callable[[Chunk], list[bytes]]:
    """A function that encodes chunks of records for one feed.

    Args:
        feed: says how its records are encoded.
        mapping: how columns become fields.
        unmatched: see `Mapping.for_feed`.

    Raises:
        ConfigurationError: the mapping names no field of the feed.
    """
    transform = mapping.for_feed(feed, unmatched) if mapping else None
    binary = bid_encoder(feed) if feed.avro_schema is not None else None

    def one(record: Record) -> bytes:
        if isinstance(record, bytes):
            if transform is None:
                return record
            try:
                # values stay raw, so that what is not mapped reaches the log exactly as it was sent
                return json_message(transform(json_object(record)))
            except NOT_JSON:
                return record
        mapped = transform(record) if transform else record
        framed = binary(mapped) if binary else None
        return json_message(mapped) if framed is None else framed

    def encode(chunk: Chunk) -> list[bytes]:
        if transform is None and set(map(type, chunk)) == _BYTES_ONLY:
            return chunk  # type: ignore[return-value] # just seen; a copy would cost more than all else here
        return [one(record) for record in chunk]

    return encode


def to_message(record: Record, feed: Feed, mapping: FieldMapping = FieldMapping()) -> bytes:
    """One record as a message of the feed; see `encoder` for many."""
    return encoder(feed, mapping)([record])[0]
