"""Decodes JSON messages, one at a time, directly into a struct with only the feed's fields.

Messages are decoded one by one: in a joined document, one message could swallow or fake others. The struct is the fast
path; `explain` decodes rejected messages again to name the field.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from advertisex.codecs.json_framing import is_blank, json_text, misfit
from advertisex.codecs.rejection import Rejection, shown
from advertisex.feeds import Feed, Field
from advertisex.reasons import reason_of

#: The errors that decoding may raise; RecursionError is due to deep nesting.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, EOFError)


#: The texts of the decoder, which say where a message is wrong and have nothing of its content.
_PATH = r"(?: - at `\$[\w.\[\]-]*`)?"
_PLAIN = re.compile(
    r"Input data was truncated|JSON is malformed: [a-z0-9 -]{5,50}(?:'.'(?: or '.')?)? \(byte \d+\)"
    rf"|Expected `[a-z0-9| ]+`, got `[a-z]+`{_PATH}|(?:Integer value|Number) out of range{_PATH}"
)


class Undecodable(ValueError):
    """A message cannot be decoded; why, in words for the user."""


class Digits(str):
    """The text of a JSON number with a decimal point or an exponent, as sent. A binary float would change it."""

    __slots__ = ()
    __repr__ = str.__str__


#: Decodes a JSON value of any type; its numbers keep their digits.
decode_json = msgspec.json.Decoder(float_hook=Digits).decode

_TEXT = str | int | None
_SCALAR = str | int | float | bool | None
_TYPES: dict[str, Any] = {"strict": _TEXT, "scalar": _SCALAR, "digits": Any}


@dataclass(frozen=True, slots=True)
class Decoder:
    """Decodes the messages of a feed.

    Attributes:
        decode: turns a payload into an object with the attributes in `names`; raises `DECODE_ERRORS`.
        explain: returns the rejection for a payload that could not be decoded, and its error.
        names: for each field of the feed, the attributes that may contain it, in order of precedence.
        blank: an object with all attributes unset.
        only_utf8: whether every message must be UTF-8.
    """

    decode: Callable[[bytes], Any]
    explain: Callable[[bytes, Exception], Rejection]
    names: tuple[tuple[str, ...], ...]
    blank: Any
    only_utf8: bool


@lru_cache(maxsize=64)
def _struct(fields: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[type[msgspec.Struct], Any]:
    """A struct type with one attribute for each name of each field (key of `_TYPES`, names), and its decoder.

    The decoder returns the digits of an amount or a time, which a binary float would change. It cannot reject a list or
    an object in their place.
    """
    members: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for index, (kind, names) in enumerate(fields):
        for place, name in enumerate(names):
            members.append((f"f{index}_{place}", _TYPES[kind], None))
            rename[f"f{index}_{place}"] = name
    struct = msgspec.defstruct("Message", members, rename=rename, gc=False)
    return struct, msgspec.json.Decoder(struct, float_hook=str).decode


def json_decoder(feed: Feed) -> Decoder:
    """The decoder of a feed whose messages are flat JSON objects."""
    struct, decode = _struct(tuple((_type_of(f), f.names) for f in feed.fields))

    def explain(payload: bytes, error: Exception) -> Rejection:
        return explain_json(payload, error, feed)

    names = tuple(tuple(f"f{i}_{j}" for j in range(len(f.names))) for i, f in enumerate(feed.fields))
    return Decoder(decode, explain, names, struct(), only_utf8=True)


def _type_of(field: Field) -> str:
    return "digits" if field.keeps_digits else "strict" if _is_strict(field) else "scalar"


def _is_strict(field: Field) -> bool:
    """Whether a field takes text and whole numbers only. A boolean is a flag (`"conversion": true`)."""
    return field.is_text and field.kind != "event_type"


def not_utf8(payload: bytes) -> Rejection | None:
    """The rejection of a message whose text is not UTF-8; None if it is."""
    try:
        json_text(payload).decode()
    except UnicodeDecodeError as error:
        return undecodable(payload, error)
    return None


def undecodable(payload: bytes, error: Exception) -> Rejection:
    """The rejection of a message that is not JSON."""
    if is_blank(payload):
        return Rejection("empty_message", "the message has only white space or a byte order mark")
    return Rejection("undecodable", f"{misfit(payload) or reason_text(error)}: {shown(payload[:400])}")


def explain_json(payload: bytes, error: Exception, feed: Feed) -> Rejection:
    """Why a message is not a JSON object with the feed's fields."""
    try:
        document = decode_json(json_text(payload))
    except DECODE_ERRORS as decode_error:
        return undecodable(payload, decode_error)
    if not isinstance(document, dict):
        return Rejection("not_an_object", f"the message is not a JSON object: {shown(payload[:400])}")
    for field in feed.fields:
        for name in field.names:
            value = document.get(name)
            if isinstance(value, (dict, list)):
                return Rejection("wrong_type", f"{name}: must be a single value, got {shown(value)}")
            if isinstance(value, (bool, Digits)) and _is_strict(field):
                return Rejection("wrong_type", f"{name}: must be text or a whole number, got {shown(value)}")
    return undecodable(payload, error)


def reason_text(error: Exception) -> str:
    """A decoding error as a short text."""
    if isinstance(error, Undecodable) or (isinstance(error, msgspec.MsgspecError) and _PLAIN.fullmatch(str(error))):
        return str(error)
    return reason_of(error)
