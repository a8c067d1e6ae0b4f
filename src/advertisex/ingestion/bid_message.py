"""A record of any shape, put into our own schema for bids."""

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

from advertisex.feeds import Feed
from advertisex.feeds.avro_framing import frame
from advertisex.feeds.bids import AVRO_SCHEMA
from advertisex.feeds.flatten import flattener
from advertisex.ingestion.json_message import plain

_SCHEMA = parse_schema(AVRO_SCHEMA)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_TARGETING = "targeting"
#: Where our own schema has a field, so that our own shape is read as what it is.
_PLACES: dict[str, str] = {
    field["name"]: part["name"]
    for part in AVRO_SCHEMA["fields"]
    if isinstance(part["type"], dict) and part["type"]["type"] == "record"
    for field in part["type"]["fields"]
}
_NO_TIME = (None, "")


class _DoesNotFitError(Exception):
    """A value that our schema has no place for."""


def bid_encoder(feed: Feed) -> Callable[[dict[str, Any]], bytes | None]:
    """A function that makes a record a message of our schema.

    It gives None for a record that lacks a user or a time, or holds a value that does not fit. Fields are found as
    processing finds them (see `flattener`). A value is never bent to fit: what is no text, number or time goes on as
    JSON instead.
    """
    flatten = flattener(feed)
    # worked out once: this runs for every record
    plan = [(f.name, _CONVERT.get(f.name, _as_text), f.name in _CONVERT) for f in feed.fields]
    foreign = [f.name for f in feed.fields if f.name not in _PLACES and f.name != _TARGETING]

    def encode(record: dict[str, Any]) -> bytes | None:
        found = flatten(record)
        values: dict[str, Any] = {}
        try:
            for field, convert, always in plan:
                value = found.get(field)
                values[field] = convert(value) if always or type(value) is not str else value
        except _DoesNotFitError:
            return None
        if not values["user_id"] or values["timestamp"] in _NO_TIME:
            return None
        # a field that the settings gave to the feed and our schema does not have
        if foreign and any(values[name] is not None for name in foreign):
            return None
        # the writer takes from each part what the schema has there
        datum = {"user_info": values, "auction": values, _TARGETING: values[_TARGETING] or {}}
        body = BytesIO()
        try:
            schemaless_writer(body, _SCHEMA, datum)
        except (ValueError, TypeError, OverflowError):  # a surrogate, or a time that 64 bits cannot hold
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
            return format(value, "f")
        case _:
            raise _DoesNotFitError


def _as_time(value: Any) -> datetime | str | None:
    match value:
        case datetime():
            # without a zone it is no moment yet: text, for processing to read in the zone that the settings name
            return value.isoformat() if value.tzinfo is None else value.astimezone(UTC)
        case date():
            return value.isoformat()
        case float() if math.isfinite(value):
            return format(Decimal(repr(value)), "f")
        case _:
            return _as_text(value)


def _as_amount(value: Any) -> float | None:
    match value:
        case None | "":
            return None
        case bool():
            raise _DoesNotFitError
        case int() | float() | Decimal():
            try:
                return float(value)
            except (OverflowError, ValueError) as error:
                raise _DoesNotFitError from error
        case str() if _NUMBER.fullmatch(value):
            return float(value)
        case _:
            raise _DoesNotFitError


def _as_targeting(value: Any) -> dict[str, str] | None:
    if isinstance(value, str) and value:
        try:
            value = msgspec.json.decode(value, type=dict[str, Any])
        except (ValueError, RecursionError) as error:
            raise _DoesNotFitError from error
    if not value:
        return None
    if not isinstance(value, dict):
        raise _DoesNotFitError
    return {str(key): item if isinstance(item, str) else _json_text(item) for key, item in value.items()}


def _json_text(value: Any) -> str:
    return msgspec.json.encode(plain(value)).decode()


_CONVERT: dict[str, Any] = {"timestamp": _as_time, "amount": _as_amount, _TARGETING: _as_targeting}
