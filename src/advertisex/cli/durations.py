"""Parsing of durations on the command line."""

import re
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ISO = TypeAdapter(timedelta)


def read_duration(text: str) -> timedelta | None:
    """Parse a number with a unit (500ms, 90m, 12h, 30d) or an ISO 8601 duration (P30D); None if it is neither."""
    text = text.strip()
    try:
        if match := _NUMBER.fullmatch(text):
            return timedelta(**{_UNITS[match[2]]: float(match[1])})
        return _ISO.validate_python(text) if text.startswith("P") else None
    except (ValidationError, OverflowError):
        return None
