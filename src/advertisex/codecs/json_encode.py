"""Encode records of any types as JSON."""

import base64
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec

#: Decimal numbers with larger exponents keep them: written out, 1e999999 would have a million digits.
_LONGEST_NUMBER = 40

_json = msgspec.json.Encoder().encode


def json_message(record: dict[str, Any]) -> bytes:
    """Encode a record as JSON. Types without a JSON equivalent become text, which processing validates."""
    if not all(type(value) is str for value in record.values()):
        record = {_key(key): plain(value) for key, value in record.items()}
    try:
        return _json(record)
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot encode
        return _json(_without_surrogates(record))


def json_texts(records: list[dict[str, Any]]) -> list[bytes] | None:
    """Encode records at once; None if not all values are text, which `json_message` encodes one by one."""
    if not set(map(type, chain.from_iterable(map(dict.values, records)))) <= {str}:
        return None
    try:
        return list(map(_json, records))
    except UnicodeEncodeError:
        return None


def json_value(value: Any) -> bytes:
    """Encode any value as JSON, in the same way as `json_message`."""
    try:
        return _json(plain(value))
    except UnicodeEncodeError:
        return _json(_without_surrogates(plain(value)))


def plain(value: Any) -> Any:
    """Convert a value to JSON types: NaN, infinities, bytes, decimals, times and UUIDs become text."""
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
            # a naive time stays naive; processing applies the zone from the settings
            return value.isoformat()
        case Decimal():
            return decimal_text(value)
        case _:
            return str(value)


def decimal_text(value: Decimal) -> str:
    """The text of a decimal number, with all its digits."""
    plain_digits = value.is_finite() and abs(value.adjusted()) < _LONGEST_NUMBER
    return format(value, "f") if plain_digits else str(value)


def text_of_bytes(value: bytes) -> str:
    """Decode bytes as UTF-8, else encode them as base64. Many sources use `bytes` fields for text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(plain(key))


def _without_surrogates(value: Any) -> Any:
    """The value with "?" in place of lone surrogates."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value
