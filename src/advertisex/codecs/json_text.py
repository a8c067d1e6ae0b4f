"""JSON text without its values: whether it is valid, the members of an object as they are, and lone surrogates."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec

from advertisex.feeds.words import is_missing
from advertisex.limits import Limit

MOST_KEYS = Limit(
    2**16, "keys", of="a JSON object whose members are looked at", beyond="a record as it is, not an envelope"
)

_decode = msgspec.json.Decoder(msgspec.Raw).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
#: What msgspec raises for invalid JSON: DecodeError and UnicodeDecodeError are ValueErrors.
NOT_JSON = (ValueError, RecursionError)


class _Name:
    """The name of a member; equal to itself only, so that a repeated name is decoded as often as it occurs."""

    __slots__ = ("text",)

    def __init__(self, _: type, text: str) -> None:
        self.text = text


class _Counted:
    """The name of a member that is only counted: all of them are one object."""


#: The shortest member is `"":1,`.
_MEMBER_BYTES = 5

_members = msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=_Name).decode

_HEX = rb"[0-9a-fA-F]"
_LOW = rb"\\u[dD][c-fC-F]" + _HEX * 2
#: What may be the start of a low surrogate, cut off by the end of the text.
_CUT = rb"(?:\\(?:u(?:[dD](?:[c-fC-F]" + _HEX + rb"?)?)?)?)?\Z"
_HIGH = rb"\\u[dD][89abAB]" + _HEX * 2
_ESCAPE = re.compile(
    rb"(?P<pair>" + _HIGH + _LOW + rb")|(?P<lone>" + _HIGH + rb"(?!" + _CUT + rb")|" + _LOW + rb")|\\.", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"


def is_json(text: bytes) -> bool:
    """Whether the text is exactly one JSON value. Numbers may be of any size."""
    try:
        _decode(text)
    except NOT_JSON:
        return False
    return True


def json_object(text: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return the members of an object as they are. A member costs 200 bytes, so that too many are not decoded.

    Raises:
        ValueError: it is not an object, or has more than `MOST_KEYS` keys.
        RecursionError: it is nested too deeply.
    """
    _check_number(text)
    return _object(text)


def _check_number(text: bytes | msgspec.Raw) -> None:
    """Check that an object does not have too many keys, without keeping any."""
    if memoryview(text).nbytes < MOST_KEYS * _MEMBER_BYTES:
        return
    same, numbers = _Counted(), count(1)

    def counted(_: type, name: str) -> _Counted:
        if next(numbers) > MOST_KEYS:
            raise ValueError(f"more than {MOST_KEYS:,} keys")
        return same

    msgspec.json.decode(text, type=dict[_Counted, msgspec.Raw], dec_hook=counted)


def is_missing_json(raw: msgspec.Raw | None) -> bool:
    """Whether the value of a member is missing: absent, null, or a text that spells a missing value."""
    if raw is None:
        return True
    value = bytes(raw)
    if not value.startswith(b'"'):
        return value == b"null"
    try:
        return is_missing(msgspec.json.decode(value))
    except NOT_JSON:
        return False


def repeated_names(text: bytes | msgspec.Raw) -> list[str]:
    """Return the names that occur more than once in an object. Decoding keeps the last value of each only.

    Raises:
        ValueError, RecursionError: see `json_object`.
    """
    _check_number(text)
    counts = Counter(name.text for name in _members(text))
    return [name for name, number in counts.items() if number > 1]


def at_path(record: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """Return the value under a key, or else under a dotted path. Raw objects on the path are decoded."""
    if path in record or "." not in path:
        return record.get(path, default)
    value: Any = record
    for step in path.split("."):
        value = object_in(value)
        if value is None or step not in value:
            return default
        value = value[step]
    return value


def object_in(value: Any) -> Mapping[str, Any] | None:
    """Return an object, which may be raw; None if the value is not an object."""
    if isinstance(value, msgspec.Raw):
        try:
            return json_object(value) if bytes(memoryview(value)[:1]) == b"{" else None
        except NOT_JSON:
            return None
    return value if isinstance(value, dict) else None


def lone_surrogates(text: bytes, start: int = 0) -> list[int]:
    """Return the positions, from `start` on, of the escapes that are lone surrogates. UTF-8 cannot contain these."""
    if text.find(b"\\ud", start) < 0 and text.find(b"\\uD", start) < 0:
        return []
    return [found.start() for found in _ESCAPE.finditer(text, start) if found["lone"]]


def replace_escapes(text: bytes, positions: list[int]) -> bytes:
    """Return the text with the escape of U+FFFD, which is as long, at these positions."""
    replaced = bytearray(text)
    for start in positions:
        replaced[start : start + len(_REPLACEMENT)] = _REPLACEMENT
    return bytes(replaced)
