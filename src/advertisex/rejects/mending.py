"""Mending: the message of a reject becomes the message that it should have been, all else as it was."""

from collections.abc import Callable

from advertisex.feeds import Feed
from advertisex.ingestion.encode import encoder
from advertisex.ingestion.json_shape import json_object
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Record
from advertisex.processing.decode_bids import avro_records, is_avro
from advertisex.processing.decode_json import DECODE_ERRORS, not_utf8

#: From a message to the mended one; None where the message is no record that a field could be set in.
Repair = Callable[[bytes], bytes | None]


def repairer(feed: Feed, mapping: FieldMapping, unmatched: set[str] | None = None) -> Repair:
    """A function that mends messages of a feed.

    A JSON message stays JSON, its other values as they were written; an Avro message is encoded as ingestion does.

    Args:
        feed: whose messages they are.
        mapping: how they are mended; an empty one leaves every message as it is.
        unmatched: see `Mapping.for_feed`.

    Raises:
        ConfigurationError: the mapping names no field of the feed.
    """
    if not mapping:
        return lambda payload: payload
    encode = encoder(feed, mapping, unmatched)
    read_avro = avro_records(feed) if feed.avro_schema else None
    # a value that is set counts alone: another name of its field may hold what is refused
    overruled = {name for target in mapping.constants if (f := feed.field_named(target)) for name in f.aliases}
    overruled -= mapping.rename.keys()

    def record_of(payload: bytes) -> Record:
        if read_avro is None:
            return {name: value for name, value in json_object(payload).items() if name not in overruled}
        if is_avro(payload):
            return read_avro(payload)
        json_object(payload)  # whether it is one
        return payload

    def hint(payload: bytes) -> bytes | None:
        try:
            (repaired,) = encode([record_of(payload)])
        except DECODE_ERRORS:
            return None
        return repaired if is_avro(repaired) or not not_utf8(repaired) else None

    return hint
