"""Values of options that are chosen from a list, or are durations; what is wrong is said in one line."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from advertisex.analysis.touches import LONGEST
from advertisex.cli.durations import read_duration
from advertisex.errors import ConfigurationError

T = TypeVar("T", bound=str)


def one_of(value: str, choices: Sequence[T], option: str) -> T:
    """The choice that was named.

    Raises:
        ConfigurationError: there is none of this name.
    """
    for choice in choices:
        if value == choice:
            return choice
    raise ConfigurationError(f"{option}: there is no {value!r}", hint=f"use one of {', '.join(choices)}")


def optional(value: str | None, choices: Sequence[T], option: str) -> T | None:
    """The same, where nothing may be named."""
    return None if value is None else one_of(value, choices, option)


def duration(text: str, option: str, *, least: timedelta = timedelta(0)) -> timedelta:
    """A duration such as 30d, 12h, 90m or ISO 8601's P30D.

    Args:
        text: as it was given.
        option: where.
        least: it may not be shorter.

    Raises:
        ConfigurationError: it is none, too short, or longer than a hundred years.
    """
    found = read_duration(text)
    if found is None or found < least:
        raise ConfigurationError(
            f"{option}: {text!r} is no duration{' above 0' if least else ''}", hint="write it as 30d, 12h, 90m or P30D"
        )
    if found > LONGEST:
        raise ConfigurationError(
            f"{option}: {text!r} is longer than a hundred years", hint=f"give {LONGEST.days}d or less"
        )
    return found
