"""Decodes bid messages: Avro single-object encoding, Confluent framing, or JSON (flat, nested, OpenRTB)."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from typing import Any

import msgspec

from advertisex.codecs.avro_datum import datum_reader
from advertisex.codecs.avro_framing import CONFLUENT_HEADER_BYTES, CONFLUENT_MARKER, MARKER, fingerprint
from advertisex.codecs.avro_schema import without_logical_types
from advertisex.codecs.bid_fields import flattener, is_openrtb, targeting_text
from advertisex.codecs.json_decode import Decoder, Digits, Undecodable, decode_json, explain_json, reason_text
from advertisex.codecs.json_encode import decimal_text
from advertisex.codecs.json_framing import json_text, misfit
from advertisex.codecs.rejection import Rejection, shown
from advertisex.feeds import Feed, Field
from advertisex.times import time_of

_SINGLE_OBJECT_HEADER = 10

#: Decodes one datum.
_Reader = Callable[[BytesIO], Any]


class _NotABid(ValueError):
    """A record was decoded, but is not a bid; carries the rejection."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(reason, detail)


def bid_decoder(feed: Feed) -> Decoder:
    """The decoder of the bids feed."""
    fields = {f.name: f for f in feed.fields}
    struct, flatten = _struct(tuple(fields)), flattener(feed)
    own_header = MARKER + fingerprint(feed.avro_schema)
    read_own = datum_reader(without_logical_types(feed.avro_schema))  # skips the conversion of timestamps to datetime
    readers = _foreign_readers(feed)

    def decode(payload: bytes) -> Any:
        if payload.startswith(own_header):
            bid = _datum(payload, _SINGLE_OBJECT_HEADER, read_own)
            targeting = targeting_text(bid["targeting"]) if bid["targeting"] else None
            return struct(**bid["user_info"], **bid["auction"], targeting=targeting)
        record = _record(payload, readers)
        if is_openrtb(record) and not record["imp"]:
            raise _NotABid("no_impressions", "imp: the list of impressions is empty")
        return struct(**{n: _scalar(fields[n], v) for n, v in flatten(record).items()})

    def explain(payload: bytes, error: Exception) -> Rejection:
        if isinstance(error, _NotABid):
            return error.rejection
        if is_avro(payload, feed):
            return Rejection("undecodable", f"{reason_text(error)}: {shown(payload[:400])}")
        return explain_json(payload, error, feed)

    return Decoder(decode, explain, tuple((name,) for name in fields), struct(), only_utf8=False)


def is_avro(payload: bytes, feed: Feed) -> bool:
    """Whether a message of the feed is in the framing of Avro, with a known schema or without JSON in it."""
    if feed.wire != "avro" or not payload.startswith((MARKER, CONFLUENT_MARKER)):
        return False
    return payload[:CONFLUENT_HEADER_BYTES] in _confluent_headers(feed) or json_text(payload) is payload


def avro_records(feed: Feed) -> Callable[[bytes], dict[str, Any]]:
    """Return a function that reads Avro messages of a feed as nested records, with times as datetimes.

    It raises one of `DECODE_ERRORS` for messages that processing cannot decode either.
    """
    own_header = MARKER + fingerprint(feed.avro_schema)
    readers = _foreign_readers(feed) | {own_header: datum_reader(without_logical_types(feed.avro_schema))}

    def read(payload: bytes) -> dict[str, Any]:
        record = _record(payload, readers)
        if payload.startswith(own_header):
            # a time outside Python's range stays a number
            with suppress(OverflowError, TypeError):
                record["auction"]["timestamp"] = time_of(record["auction"]["timestamp"])
        return record

    return read


def _confluent_headers(feed: Feed) -> list[bytes]:
    return [CONFLUENT_MARKER + number.to_bytes(4, "big") for number, _ in feed.confluent_schemas]


def _foreign_readers(feed: Feed) -> dict[bytes, _Reader]:
    """Readers of the schemas in the settings, by the header that messages start with."""
    readers: dict[bytes, _Reader] = {}
    for header, (_, schema) in zip(_confluent_headers(feed), feed.confluent_schemas, strict=True):
        read = datum_reader(schema)
        readers |= {MARKER + fingerprint(schema): read, header: read}
    return readers


@lru_cache(maxsize=8)
def _struct(names: tuple[str, ...]) -> type[msgspec.Struct]:
    return msgspec.defstruct("Bid", [(name, Any, None) for name in names], gc=False)


def _record(payload: bytes, readers: Mapping[bytes, _Reader]) -> dict[str, Any]:
    """The nested record of a message that is not in our own schema."""
    for marker, header in ((MARKER, _SINGLE_OBJECT_HEADER), (CONFLUENT_MARKER, CONFLUENT_HEADER_BYTES)):
        if payload.startswith(marker) and (read := readers.get(payload[:header])):
            return _datum(payload, header, read)
    text = json_text(payload)
    if text.startswith(MARKER):
        raise Undecodable(f"unknown schema in header {payload[:_SINGLE_OBJECT_HEADER].hex()}")
    if text.startswith(CONFLUENT_MARKER):
        raise Undecodable(misfit(payload) or "the message ends within its Confluent header")
    record = decode_json(text)
    if not isinstance(record, dict):
        raise _NotABid("not_an_object", f"the message is not a JSON object: {shown(payload[:400])}")
    return record


def _datum(payload: bytes, header: int, read: _Reader) -> dict[str, Any]:
    stream = BytesIO(payload)
    stream.seek(header)
    try:
        record = read(stream)
    except EOFError as error:
        raise Undecodable("the message ends within its Avro datum") from error
    except (UnicodeDecodeError, RecursionError):
        raise
    except Exception as error:  # nobody lists what the reader raises if the bytes do not match the schema
        raise Undecodable(f"not an Avro datum of its schema ({type(error).__name__})") from error
    if stream.tell() != len(payload):
        raise Undecodable(f"{len(payload) - stream.tell()} bytes follow the Avro datum")
    if not isinstance(record, dict):
        raise _NotABid("not_an_object", f"the message is not an Avro record: {shown(record)}")
    return record


def _scalar(field: Field, value: Any) -> Any:
    """The value as text or a number; any other type rejects the message as `wrong_type`."""
    if field.kind == "json":
        return targeting_text(value)
    match value:
        case Digits() | bool() | float() | Decimal() if field.is_text:
            pass
        case Digits():
            return str(value) if field.keeps_digits else float(value)
        case Decimal():  # of an Avro logical type
            return decimal_text(value)
        case str() | int() | float():
            return value
        case _ if hasattr(value, "isoformat"):  # a date or time of an Avro logical type
            return value.isoformat()
    raise _NotABid("wrong_type", f"{field.name}: must be text or a number, got {shown(value)}")
