"""One fault put into one message, so that it is refused for that reason and no other."""

import math
from collections.abc import Callable, Iterable

import numpy as np

from advertisex.ingestion.simulator.formats import Event, FaultTargets, Fields, Format
from advertisex.ingestion.simulator.kinds import DUPLICATE, GOOD, KINDS
from advertisex.ingestion.simulator.market import BLOCKED_SITES, BLOCKED_USERS
from advertisex.ingestion.simulator.rows import Rows

_BAD_TIMES = ("yesterday", "2026-13-45T25:61:00Z", "not-a-time", "2026-02-30T10:00:00Z")
#: Believed by no setting that lets today's traffic through, however late this is run.
_UNBELIEVABLE_TIMES = ("1970-01-01T00:00:00Z", "1969-07-20T20:17:40Z", "2150-06-01T12:00:00Z")
_BAD_WEBSITES = (
    "not a website", "http://", "https://[broken", "https://ad server.example/", "ftp://files.example/ad",
    "javascript:alert(1)",
)  # fmt: skip
_PLACEHOLDERS = ("null", "undefined", "N/A", "-", "0", "None", "unknown", "NaN")
_CONTROLS = ("\x01", "\x07", "\x1b", "\x7f")
_BAD_AMOUNTS = (-12.5, math.nan, math.inf, -math.inf, -0.01)
_AMOUNT_TEXTS = ("-12.50", "NaN", "Infinity", "-Infinity", "-0.01")
_NOT_OBJECTS = (b"42", b'"text"', b"null", b"true")

Spoiler = Callable[[Fields, FaultTargets, int], Fields]


def written(rows: Rows, form: Format) -> list[bytes]:
    """The messages that these rows are, faults and all, in their order."""
    messages = form.good(rows)
    odd = np.flatnonzero(rows["kind"] != GOOD)
    for place, row in zip(odd.tolist(), rows[odd].tolist(), strict=True):
        event = Event(*row)
        messages[place] = _odd(event, messages[place], form)
    return messages


def _odd(event: Event, message: bytes, form: Format) -> bytes:
    """The message of an event that is repeated or spoiled; `message` is the good one."""
    # which form a fault takes depends on the event alone, so that equal settings give equal bytes
    noise = (event.time * 0x9E37_79B9_7F4A_7C15 >> 21) & 0xFFFF_FFFF
    if event.kind == DUPLICATE:
        return message if noise % 2 else form.respelled(form.fields(event), noise // 2)
    match KINDS[event.kind]:
        case "empty_message":
            spoiled = b""
        case "not_an_object":
            spoiled = _NOT_OBJECTS[noise % len(_NOT_OBJECTS)]
        case "undecodable":
            spoiled = form.undecodable(form.fields(event), noise)
        case "oversized":
            spoiled = form.oversized(form.fields(event))
        case "wrong_type":
            spoiled = form.mistyped(form.fields(event), noise)
        case kind:
            spoiled = form.encode(_SPOILERS[kind](form.fields(event), form.shape, noise))
    return spoiled


def _missing(fields: Fields, shape: FaultTargets, noise: int) -> Fields:
    name = shape.required[noise % len(shape.required)]
    how = noise // len(shape.required) % 3
    if how == 0:
        return {key: value for key, value in fields.items() if key != name}
    return fields | {name: None if how == 1 else ""}


def _controlled(fields: Fields, shape: FaultTargets, noise: int) -> Fields:
    name = shape.ids[noise % len(shape.ids)]
    text, control = fields[name], _CONTROLS[noise // 8 % len(_CONTROLS)]
    middle = len(text) // 2
    return fields | {name: text[:middle] + control + text[middle:]}


def _bad_amount(fields: Fields, shape: FaultTargets, noise: int) -> Fields:
    as_text = isinstance(fields[shape.amount], str)
    values: Iterable[str | float] = _AMOUNT_TEXTS if as_text else _BAD_AMOUNTS
    return fields | {shape.amount: tuple(values)[noise % len(_BAD_AMOUNTS)]}


def _blocked_site(fields: Fields, _: FaultTargets, noise: int) -> Fields:
    site = BLOCKED_SITES[noise % len(BLOCKED_SITES)]
    how = (site, f"https://{site}/offer", f"https://cdn.{site}/banner?id=1")
    return fields | {"website": how[noise // 8 % len(how)]}


def _setting(name: str, values: tuple[str, ...]) -> Spoiler:
    def spoil(fields: Fields, _: FaultTargets, noise: int) -> Fields:
        return fields | {name: values[noise % len(values)]}

    return spoil


_SPOILERS: dict[str, Spoiler] = {
    "missing_field": _missing,
    "bad_timestamp": _setting("timestamp", _BAD_TIMES),
    "timestamp_out_of_range": _setting("timestamp", _UNBELIEVABLE_TIMES),
    "bad_website": _setting("website", _BAD_WEBSITES),
    "placeholder_user_id": _setting("user_id", _PLACEHOLDERS),
    "control_character": _controlled,
    "negative_count": lambda fields, _, noise: fields | {"clicks": str(-1 - noise % 9)},
    "bad_amount": _bad_amount,
    "negative_user_id": lambda fields, _, noise: fields | {"user_id": str(-1 - noise % 9_999)},
    "blocked_user": _setting("user_id", BLOCKED_USERS),
    "blocked_site": _blocked_site,
}
