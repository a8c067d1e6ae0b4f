"""Repairs the message of a reject: sets or renames fields and leaves the others unchanged."""

from collections.abc import Callable

from advertisex.codecs.avro_decode import avro_records, is_avro
from advertisex.codecs.json_decode import DECODE_ERRORS, not_utf8
from advertisex.codecs.json_split import json_object
from advertisex.feeds import Feed
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Record

#: Repairs a message; None if the message cannot be decoded as a record.
Repair = Callable[[bytes], bytes | None]


def repairer(feed: Feed, mapping: FieldMapping, encoder: Encoder | None = None) -> Repair:
    """Create a function that repairs messages of a feed.

    A JSON message stays JSON, and its other values keep their notation. An Avro message is encoded as by ingestion.

    Args:
        feed: the feed of the messages.
        mapping: the repair; an empty mapping leaves every message unchanged.
        encoder: encodes with this mapping; it knows which mapped columns no message had.

    Raises:
        ConfigurationError: the mapping contains an unknown field.
    """
    if not mapping:
        return lambda payload: payload
    encode = (encoder or Encoder(feed, mapping)).message
    read_avro = avro_records(feed) if feed.wire == "avro" else None
    # a constant replaces all aliases of its field, which may contain the rejected value
    overruled = {name for target in mapping.constants if (f := feed.field_named(target)) for name in f.aliases}
    overruled -= mapping.rename.keys()

    def record_of(payload: bytes) -> Record:
        if read_avro is None:
            return {name: value for name, value in json_object(payload).items() if name not in overruled}
        if is_avro(payload, feed):
            return read_avro(payload)
        json_object(payload)  # check that it is a JSON object
        return payload

    def repair(payload: bytes) -> bytes | None:
        try:
            repaired = encode(record_of(payload))
        except DECODE_ERRORS:
            return None
        return repaired if is_avro(repaired, feed) or not not_utf8(repaired) else None

    return repair
