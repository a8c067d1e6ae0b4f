"""Decode bid messages: Avro single-object encoding, Confluent framing, or JSON (flat, nested, OpenRTB)."""

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any

import fastavro
import msgspec
from fastavro.types import Schema

from advertisex.feeds import Feed
from advertisex.feeds.avro_framing import CONFLUENT_MARKER, MARKER, fingerprint
from advertisex.feeds.flatten import flattener, targeting_text
from advertisex.processing.decode_json import Decoder, explain_json, reason_text
from advertisex.processing.refusals import Refusal, shown

_CONFLUENT_HEADER = 5
_SINGLE_OBJECT_HEADER = 10


class _Unfit(ValueError):
    """A record was decoded, but it is no bid: carries the refusal."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(reason, detail)


def bid_decoder(feed: Feed) -> Decoder:
    """The decoder of the bids feed."""
    names = tuple(f.name for f in feed.fields)
    struct, flatten = _struct(names), flattener(feed)
    own_header = MARKER + fingerprint(feed.avro_schema)
    own_schema = fastavro.parse_schema(_without_logical_types(feed.avro_schema))
    schemas = {MARKER + fingerprint(schema): schema for _, schema in feed.confluent_schemas} | {
        CONFLUENT_MARKER + number.to_bytes(4, "big"): schema for number, schema in feed.confluent_schemas
    }

    def decode(payload: bytes) -> Any:
        if payload.startswith(own_header):
            bid = _datum(payload, _SINGLE_OBJECT_HEADER, own_schema)
            targeting = targeting_text(bid["targeting"]) if bid["targeting"] else None
            return struct(**bid["user_info"], **bid["auction"], targeting=targeting)
        return struct(**{n: _scalar(n, v) for n, v in flatten(_record(payload, schemas)).items()})

    def explain(payload: bytes, error: Exception) -> Refusal:
        if isinstance(error, _Unfit):
            return error.refusal
        if payload[:1] in (MARKER[:1], CONFLUENT_MARKER):
            return Refusal("undecodable", f"{reason_text(error)}: {shown(payload[:400])}")
        return explain_json(payload, error, feed)

    return Decoder(decode, explain, tuple((name,) for name in names), struct())


@lru_cache(maxsize=8)
def _struct(names: tuple[str, ...]) -> type[msgspec.Struct]:
    return msgspec.defstruct("Bid", [(name, Any, None) for name in names], gc=False)


def _record(payload: bytes, schemas: Mapping[bytes, Schema]) -> dict[str, Any]:
    """The nested record in a message that is not in our own schema."""
    for marker, header in ((MARKER, _SINGLE_OBJECT_HEADER), (CONFLUENT_MARKER, _CONFLUENT_HEADER)):
        if payload.startswith(marker):
            schema = schemas.get(payload[:header])
            if schema is None:
                raise ValueError(f"no known schema is named by the header {payload[:header].hex()}")
            return _datum(payload, header, schema)
    record = msgspec.json.decode(payload)
    if not isinstance(record, dict):
        raise _Unfit("not_an_object", f"the message is not a JSON object: {shown(payload[:400])}")
    return record


def _datum(payload: bytes, header: int, schema: Schema) -> dict[str, Any]:
    stream = BytesIO(payload)
    stream.seek(header)
    try:
        record = fastavro.schemaless_reader(stream, schema, None)
    except EOFError as error:  # its own text holds an address in memory: the same bytes would differ from run to run
        raise ValueError("the message ends within its Avro datum") from error
    except (IndexError, TypeError, OverflowError, MemoryError, KeyError, StopIteration) as error:
        raise ValueError(f"not an Avro datum of its schema ({type(error).__name__})") from error
    if stream.tell() != len(payload):
        raise ValueError(f"{len(payload) - stream.tell()} bytes follow the Avro datum")
    if not isinstance(record, dict):
        raise _Unfit("not_an_object", f"the message is not an Avro record: {shown(record)}")
    return record


def _scalar(name: str, value: Any) -> Any:
    """A value that text stands for; what has no such text makes the message a wrong_type reject."""
    if name == "targeting":
        return targeting_text(value)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and name in ("amount", "timestamp"):
        return value
    if hasattr(value, "isoformat"):  # a date and time of an Avro logical type
        return value.isoformat()
    raise _Unfit("wrong_type", f"{name}: must be one text or number, got {shown(value)}")


def _without_logical_types(schema: Any) -> Any:
    """The same wire format, read as plain numbers: our own timestamps need no datetime on their way."""
    if isinstance(schema, dict):
        return {k: _without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(part) for part in schema]
    return schema
