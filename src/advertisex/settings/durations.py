"""Durations, written in the same way in the settings and on the command line."""

import math
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from advertisex.errors import ConfigurationError

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", re.ASCII)
_SECONDS = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ISO = TypeAdapter(timedelta)
#: A longer wait is a typo, and very large values overflow the system's sleep.
_LONGEST_WAIT = 86_400.0


def read_duration(text: str) -> timedelta | None:
    """Parse a number with a unit (500ms, 90m, 12h, 30d) or an ISO 8601 duration (P30D); None if it is neither."""
    text = text.strip()
    try:
        if match := _NUMBER.fullmatch(text):
            return timedelta(**{_UNITS[match[2]]: float(match[1])})
        return _ISO.validate_python(text) if text.startswith("P") else None
    except (ValidationError, OverflowError):
        return None


def duration(value: Any) -> timedelta:
    """Return a duration: a number of seconds, or a text as for `read_duration`, in which a bare number is one, too.

    Raises:
        ValueError: it is not a valid duration, or negative.
    """
    if isinstance(value, str):
        value = f"{value}s" if _SECONDS.fullmatch(value := value.strip()) else value
        found = read_duration(value)
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        found = _of_seconds(value)
    else:
        found = value if isinstance(value, timedelta) else None
    if found is None or found < timedelta(0):
        raise ValueError("expected a duration, such as 500ms, 30s, 12h, 3d or PT15M, or a number of seconds")
    return found


def _of_seconds(number: float) -> timedelta | None:
    try:
        return timedelta(seconds=number)
    except OverflowError:
        return None


def _wait(value: Any) -> float:
    seconds = duration(value).total_seconds()
    if not 0 < seconds <= _LONGEST_WAIT:
        raise ValueError("use more than 0 seconds, and at most a day")
    return seconds


#: A duration.
Duration = Annotated[timedelta, BeforeValidator(duration)]

#: A duration to wait, in seconds.
Wait = Annotated[float, BeforeValidator(_wait)]


def duration_of(text: str, option: str) -> timedelta:
    """Return a duration such as 500ms, 5s, 12h or 3d; a bare number means seconds, as in the settings.

    Raises:
        ConfigurationError: it is not a valid duration.
    """
    try:
        return duration(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{option}: {text!r} is not a valid duration", hint="write it as 500ms, 30s, 12h, 3d or PT15M"
        ) from error
