"""Injects one fault into a message, so that processing rejects or filters it for exactly that reason."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from advertisex.simulator.formats import Event, FaultTargets, Fields, Format
from advertisex.simulator.kinds import CONFLICT, DUPLICATE, GOOD, KINDS
from advertisex.simulator.market import BLOCKED_SITES, BLOCKED_USERS
from advertisex.simulator.rows import Rows

_BAD_TIMES = ("yesterday", "2026-13-45T25:61:00Z", "not-a-time", "2026-02-30T10:00:00Z")
#: Out of range under any settings that accept current traffic, whenever this runs.
_OUT_OF_RANGE_TIMES = ("1970-01-01T00:00:00Z", "1969-07-20T20:17:40Z", "2150-06-01T12:00:00Z")
_BAD_WEBSITES = (
    "not a website", "http://", "https://[broken", "https://ad server.example/", "ftp://files.example/ad",
    "javascript:alert(1)",
)  # fmt: skip
_PLACEHOLDERS = ("null", "undefined", "N/A", "-", "0", "None", "unknown", "NaN")
_CONTROLS = ("\x01", "\x07", "\x1b", "\x7f")
_BAD_AMOUNTS = (-12.5, -1e6, math.inf, -math.inf, -0.01)
_INFINITE_TEXTS = ("Infinity", "-Infinity")
_AMOUNT_TEXTS = ("-12.50", "-1000000", *_INFINITE_TEXTS, "-0.01")
#: The value of a conflict in a field that the event has with another value. Either may be stored first.
_CHANGED = "another"
_NOT_OBJECTS = (b"42", b'"text"', b"null", b"true")

Injector = Callable[[Fields, FaultTargets, int], Fields]


def encode_rows(rows: Rows, fmt: Format) -> list[bytes]:
    """Encode rows as messages, with their faults, in order."""
    messages = fmt.good(rows)
    faulty = np.flatnonzero(rows["kind"] != GOOD)
    for index, row in zip(faulty.tolist(), rows[faulty].tolist(), strict=True):
        event = Event(*row)
        messages[index] = _faulty_message(event, messages[index], fmt)
    return messages


def _faulty_message(event: Event, message: bytes, fmt: Format) -> bytes:
    """Encode an event that is a duplicate, a conflict or has a fault; `message` is its encoding without the fault."""
    # the variant of a fault depends on the event only, so that equal settings give equal bytes
    noise = (event.time * 0x9E37_79B9_7F4A_7C15 >> 21) & 0xFFFF_FFFF
    if event.kind == DUPLICATE:
        return message if noise % 2 else fmt.reformatted(fmt.fields(event), noise // 2)
    if event.kind == CONFLICT:
        return fmt.encode(fmt.fields(event) | {fmt.targets.changeable: _CHANGED})
    match KINDS[event.kind]:
        case "empty_message":
            faulty = b""
        case "not_an_object":
            faulty = _NOT_OBJECTS[noise % len(_NOT_OBJECTS)]
        case "undecodable":
            faulty = fmt.undecodable(fmt.fields(event), noise)
        case "oversized":
            faulty = fmt.oversized(fmt.fields(event))
        case "wrong_type":
            faulty = fmt.mistyped(fmt.fields(event), noise)
        case kind:
            faulty = fmt.encode(_INJECTORS[kind](fmt.fields(event), fmt.targets, noise))
    return faulty


def _drop_required(fields: Fields, targets: FaultTargets, noise: int) -> Fields:
    name = targets.required[noise % len(targets.required)]
    if _is_refund(fields, targets):  # without the type, the value would be a bad amount
        fields = fields | {targets.amount: ""}
    variant = noise // len(targets.required) % 3
    if variant == 0:
        return {key: value for key, value in fields.items() if key != name}
    return fields | {name: None if variant == 1 else ""}


def _insert_control_character(fields: Fields, targets: FaultTargets, noise: int) -> Fields:
    name = targets.ids[noise % len(targets.ids)]
    text, control = fields[name], _CONTROLS[noise // 8 % len(_CONTROLS)]
    middle = len(text) // 2
    return fields | {name: text[:middle] + control + text[middle:]}


def _bad_amount(fields: Fields, targets: FaultTargets, noise: int) -> Fields:
    as_text = isinstance(fields[targets.amount], str)
    values: Sequence[str | float] = _AMOUNT_TEXTS if as_text else _BAD_AMOUNTS
    if _is_refund(fields, targets):
        values = _INFINITE_TEXTS
    return fields | {targets.amount: values[noise % len(values)]}


def _is_refund(fields: Fields, targets: FaultTargets) -> bool:
    """Whether the amount of an event is negative, as it may be in a refund."""
    return str(fields.get(targets.amount, "")).startswith("-")


def _blocked_site(fields: Fields, _: FaultTargets, noise: int) -> Fields:
    site = BLOCKED_SITES[noise % len(BLOCKED_SITES)]
    variant = (site, f"https://{site}/offer", f"https://cdn.{site}/banner?id=1")
    return fields | {"website": variant[noise // 8 % len(variant)]}


def _set_field(name: str, values: tuple[str, ...]) -> Injector:
    def inject(fields: Fields, _: FaultTargets, noise: int) -> Fields:
        return fields | {name: values[noise % len(values)]}

    return inject


_INJECTORS: dict[str, Injector] = {
    "missing_field": _drop_required,
    "bad_timestamp": _set_field("timestamp", _BAD_TIMES),
    "timestamp_out_of_range": _set_field("timestamp", _OUT_OF_RANGE_TIMES),
    "bad_website": _set_field("website", _BAD_WEBSITES),
    "placeholder_user_id": _set_field("user_id", _PLACEHOLDERS),
    "control_character": _insert_control_character,
    "negative_count": lambda fields, _, noise: fields | {"clicks": str(-1 - noise % 9)},
    "bad_amount": _bad_amount,
    "negative_user_id": lambda fields, _, noise: fields | {"user_id": str(-1 - noise % 9_999)},
    "blocked_user": _set_field("user_id", BLOCKED_USERS),
    "blocked_site": _blocked_site,
}
