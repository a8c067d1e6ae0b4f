"""Times as users write them in options."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.analysis.calendar import midnight
from advertisex.errors import ConfigurationError
from advertisex.feeds import TimeReading
from advertisex.processing.timestamps import read_timestamps

#: A time in an option starts with a date. Epoch numbers are not accepted: 2026 would mean the year.
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)

#: A zone whose clocks never show the time of UTC; it reads only times with an offset like UTC.
_OTHER_ZONE = "Etc/GMT+12"


def parse_time(text: str | None, option: str, zone: str = "UTC") -> datetime | None:
    """Parse a date, or a date and time (RFC 3339, `T` or space).

    Args:
        text: the text; None gives None.
        option: name of the option, for errors.
        zone: time zone of a text without an offset.

    Returns:
        Naive UTC.

    Raises:
        ConfigurationError: it is not a valid time, or the clocks of the zone showed it never or twice.
    """
    if text is None:
        return None
    try:
        found = _time_in(text, option, zone)
    except (ValueError, OverflowError):  # in UTC, it is before year 1 or after year 9999
        found = None
    if found is None:
        raise ConfigurationError(
            f"{option}: {text!r} is not a valid date or time",
            hint="write it as 2026-11-24 or 2026-11-24T12:00:00Z",
        )
    return found


def _time_in(text: str, option: str, zone: str) -> datetime | None:
    value = _read_time(text, "UTC")
    if value is None:
        return None
    if zone == "UTC" or _read_time(text, _OTHER_ZONE) == value:  # it has an offset
        return value
    if len(text) == len("2026-11-24"):
        return midnight(value.date(), zone)
    first, second = (value.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        times = "never" if first > second else "twice"
        raise ConfigurationError(
            f"{option}: the clocks of {zone} show {text!r} {times}", hint=f"give the offset: {text}+01:00, for example"
        )
    return first.replace(tzinfo=None)


def _read_time(text: str, zone: str) -> datetime | None:
    if not _DAY.match(text):
        return None
    found: datetime | None = read_timestamps(pl.Series([text]), TimeReading(zone, formats=("%Y-%m-%d",)))[0]
    return found
