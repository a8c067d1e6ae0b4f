"""Encode a record of any shape in our own Avro schema for bids."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import msgspec
from fastavro import parse_schema, schemaless_writer

from advertisex.codecs.avro_framing import frame
from advertisex.codecs.bid_fields import flattener, is_openrtb
from advertisex.codecs.json_encode import decimal_text, plain
from advertisex.feeds import Feed
from advertisex.feeds.bids import AVRO_SCHEMA

_SCHEMA = parse_schema(AVRO_SCHEMA)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: Numbers in the values stay raw: they keep their digits.
_object = msgspec.json.Decoder(dict[str, Any], float_hook=msgspec.Raw).decode
_TARGETING = "targeting"
#: Field -> record of our own schema that contains it.
_PARTS: dict[str, str] = {
    field["name"]: part["name"]
    for part in AVRO_SCHEMA["fields"]
    if isinstance(part["type"], dict) and part["type"]["type"] == "record"
    for field in part["type"]["fields"]
}
_EMPTY = (None, "")


class _DoesNotFitError(Exception):
    """A value does not fit the schema."""


def bid_encoder(feed: Feed) -> Callable[[dict[str, Any]], bytes | None]:
    """Return a function that encodes a record as a message of our schema.

    It returns None for a record without a user, a time or an impression, or with a value that does not fit the schema;
    such a record is sent as JSON instead, unchanged. Fields are found as in processing (see `flattener`).
    """
    flatten = flattener(feed)
    # computed once, because `encode` runs for every record
    foreign = [f.name for f in feed.fields if f.name not in _PARTS and f.name != _TARGETING]
    converters = _CONVERT | dict.fromkeys(foreign, _unchanged)
    plan = [(f.name, converters.get(f.name, _as_text), f.name in converters) for f in feed.fields]

    def encode(record: dict[str, Any]) -> bytes | None:
        if is_openrtb(record) and not record["imp"]:
            return None
        found = flatten(record)
        values: dict[str, Any] = {}
        try:
            for field, convert, always_convert in plan:
                value = found.get(field)
                values[field] = convert(value) if always_convert or type(value) is not str else value
        except _DoesNotFitError:
            return None
        if not values["user_id"] or values["timestamp"] in _EMPTY:
            return None
        # a field that our schema does not have
        if foreign and any(values[name] is not None for name in foreign):
            return None
        # the writer picks the fields of each part from `values`
        datum = {"user_info": values, "auction": values, _TARGETING: values[_TARGETING] or {}}
        body = BytesIO()
        try:
            schemaless_writer(body, _SCHEMA, datum)
        except (ValueError, TypeError, OverflowError):  # a lone surrogate, or a time outside 64 bits
            return None
        return frame(body.getvalue())

    return encode


def _as_text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            raise _DoesNotFitError
        case int() | UUID():
            return str(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                raise _DoesNotFitError from error
        case Decimal() if value.is_finite():
            return decimal_text(value)
        case _:
            raise _DoesNotFitError


def _as_time(value: Any) -> datetime | str | None:
    match value:
        case datetime():
            # a naive time becomes text; processing reads it in the zone from the settings
            return value.isoformat() if value.tzinfo is None else value.astimezone(UTC)
        case date():
            return value.isoformat()
        case float() if math.isfinite(value):
            return decimal_text(Decimal(repr(value)))
        case _:
            return _as_text(value)


def _as_amount(value: Any) -> float | None:
    match value:
        case None | "":
            return None
        case bool():
            raise _DoesNotFitError
        case float():
            return value
        case int() | Decimal():
            return _as_double(Decimal(value))
        case str() if _NUMBER.fullmatch(value):
            return _as_double(Decimal(value))
        case _:
            raise _DoesNotFitError


def _as_double(exact: Decimal) -> float:
    """The double whose shortest text is this number; any other number is sent as JSON, because it would change."""
    double = float(exact)
    if not exact.is_finite() or Decimal(repr(double)) != exact:
        raise _DoesNotFitError
    return double


def _as_targeting(value: Any) -> dict[str, str] | None:
    if isinstance(value, str) and value:
        try:
            value = _object(value)
        except (ValueError, RecursionError) as error:
            raise _DoesNotFitError from error
    if not value:
        return None
    if not isinstance(value, dict):
        raise _DoesNotFitError
    return {str(key): item if isinstance(item, str) else _json_text(item) for key, item in value.items()}


def _json_text(value: Any) -> str:
    return msgspec.json.encode(plain(value)).decode()


def _unchanged(value: Any) -> Any:
    return value


_CONVERT: dict[str, Any] = {"timestamp": _as_time, "amount": _as_amount, _TARGETING: _as_targeting}
