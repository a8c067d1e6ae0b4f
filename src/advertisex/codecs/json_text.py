"""JSON text without its values: whether it is valid, and the members of an object as they are."""

import msgspec

from advertisex.feeds.words import is_missing

_decode = msgspec.json.Decoder(msgspec.Raw).decode
json_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
#: What msgspec raises for invalid JSON: DecodeError and UnicodeDecodeError are ValueErrors.
NOT_JSON = (ValueError, RecursionError)


def is_json(text: bytes) -> bool:
    """Whether the text is exactly one JSON value. Numbers may be of any size."""
    try:
        _decode(text)
    except NOT_JSON:
        return False
    return True


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
