"""Records as JSON, whatever types they hold."""

import base64
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec

_json = msgspec.json.Encoder().encode


def json_message(record: dict[str, Any]) -> bytes:
    """A record as JSON. What JSON has no notation for becomes text, for processing to judge."""
    if not all(type(value) is str for value in record.values()):
        record = {_key(key): plain(value) for key, value in record.items()}
    try:
        return _json(record)
    except UnicodeEncodeError:  # half of a surrogate pair, which UTF-8 cannot hold
        return _json(_whole_characters(record))


def json_value(value: Any) -> bytes:
    """Any value as JSON, as `json_message` does for a record."""
    try:
        return _json(plain(value))
    except UnicodeEncodeError:
        return _json(_whole_characters(plain(value)))


def plain(value: Any) -> Any:
    """A value in terms of JSON: NaN and infinities, bytes, decimals, times and UUIDs become text."""
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {_key(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set():
            return [plain(item) for item in value]
        case None | bool() | str() | int() | msgspec.Raw():
            return value
        case _:
            return _text(value)


def _text(value: Any) -> str:
    match value:
        case bytes():
            return text_of_bytes(value)
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        case date() | time():
            # a naive time is left as it is, for the zone that the settings name
            return value.isoformat()
        case Decimal() if value.is_finite():
            return format(value, "f")
        case _:
            return str(value)


def text_of_bytes(value: bytes) -> str:
    """Bytes as text: many sources put text into `bytes` fields; what is no UTF-8 becomes base64."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(plain(key))


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
    return [_whole_characters(item) for item in value] if isinstance(value, list) else value
