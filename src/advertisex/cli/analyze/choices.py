"""Validation of option values that are choices or durations."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from advertisex.analysis.attribution.touches import LONGEST
from advertisex.cli.options import read_duration
from advertisex.errors import ConfigurationError

T = TypeVar("T", bound=str)


def one_of(value: str, choices: Sequence[T], option: str) -> T:
    """Return the value if it is one of the choices.

    Raises:
        ConfigurationError: it is not.
    """
    for choice in choices:
        if value == choice:
            return choice
    raise ConfigurationError(f"{option}: unknown value {value!r}", hint=f"use one of {', '.join(choices)}")


def optional(value: str | None, choices: Sequence[T], option: str) -> T | None:
    """Like `one_of`, for an option that may be omitted."""
    return None if value is None else one_of(value, choices, option)


def duration(text: str, option: str, *, minimum: timedelta = timedelta(0)) -> timedelta:
    """Parse a duration such as 30d, 12h, 90m or ISO 8601's P30D.

    Args:
        text: the value of the option.
        option: its name, for the error message.
        minimum: the shortest duration allowed.

    Raises:
        ConfigurationError: it is not a valid duration, too short, or longer than a hundred years.
    """
    found = read_duration(text)
    if found is None or found < minimum:
        raise ConfigurationError(
            f"{option}: {text!r} is not a valid duration{' above 0' if minimum else ''}",
            hint="write it as 30d, 12h, 90m or P30D",
        )
    if found > LONGEST:
        raise ConfigurationError(f"{option}: {text!r} is longer than 100 years", hint=f"use {LONGEST.days}d or less")
    return found
