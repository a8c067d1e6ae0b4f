"""The frame of an input that could not be read as a record: why, and its bytes as they were.

Ingestion appends such an input as a message of its own, so that nothing is lost, and processing rejects it with the
reason that ingestion found. The frame is a marker that no JSON, Avro or CSV text begins with, one line of JSON, and the
bytes.
"""

from typing import NamedTuple

import msgspec

from advertisex.limits import Limit

_MARKER = b"\x00unreadable "
LONGEST_DETAIL = Limit(
    10_000, "characters", of="what a producer may say of an unreadable input", beyond="rejected as `undecodable`"
)

#: Human-readable reasons, by reason code.
REASONS: dict[str, str] = {
    "ambiguous_quotes": "Its quotes can be read in more than one way.",
    "surplus_cells": "It has more cells than the header has columns.",
    "wrong_encoding": "Its bytes are not text in the encoding of the file.",
    "ambiguous_number": "A number is not written as the options for the file say.",
    "not_a_record": "It is a fragment between records, or not a record at all.",
    "too_long": "It is larger than a message can be. Only a part of it is kept.",
    "too_many_values": "It has so many small values that they would not fit in memory.",
}


class Unreadable(NamedTuple):
    """An input that could not be read as a record.

    Attributes:
        reason: reason code, one of `REASONS`.
        detail: what is wrong, and what the user can do.
        body: the input: bytes of the file, or the record as JSON.
    """

    reason: str
    detail: str
    body: bytes


class _Head(msgspec.Struct, frozen=True):
    reason: str
    detail: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Head).decode


def wrap(unreadable: Unreadable) -> bytes:
    """Return the message for an unreadable input."""
    head = _Head(unreadable.reason, unreadable.detail[:LONGEST_DETAIL])
    return _MARKER + _encode(head) + b"\n" + unreadable.body


def body_of(message: bytes) -> bytes:
    """Return the input in a frame, or else the message itself."""
    unreadable = unwrap(message)
    return message if unreadable is None else unreadable.body


def unwrap(message: bytes) -> Unreadable | None:
    """Return what is in the frame; None if the message has none that `wrap` could have written."""
    if not message.startswith(_MARKER):
        return None
    head, newline, body = message[len(_MARKER) :].partition(b"\n")
    try:
        known = _decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    is_ours = newline and known.reason in REASONS and len(known.detail) <= LONGEST_DETAIL
    return Unreadable(known.reason, known.detail, body) if is_ours else None
