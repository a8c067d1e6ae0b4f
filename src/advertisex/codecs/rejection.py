"""Why a message is rejected."""

from typing import NamedTuple

_SHOWN = 200


class Rejection(NamedTuple):
    """Why one message is rejected: reason code and detail."""

    reason: str
    detail: str


def shown(value: object) -> str:
    """A value for a detail: its repr, truncated to 200 characters."""
    try:
        text = repr(value)
    except RecursionError:  # repr() supports less depth than the decoder
        return "a value that is nested too deeply"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
