"""The times that a saved report is about: they move with the time at which it runs."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from advertisex.analysis.arguments import LONGEST
from advertisex.analysis.calendar import following, preceding, start_of
from advertisex.errors import ConfigurationError
from advertisex.settings.durations import read_duration
from advertisex.settings.reports import RangeName

_RELATIVE = re.compile(r"-(.*)", re.DOTALL)


def days_of(name: RangeName, zone: str, now: datetime) -> tuple[str, str]:
    """The first day of a range, and the first day after it, as dates.

    Args:
        name: the range; `this_month` ends with today.
        zone: time zone of the days.
        now: the current time, naive UTC.
    """
    today = now.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()
    match name:
        case "yesterday":
            days = preceding(today, "day"), today
        case "last_week":
            days = preceding(today, "week"), start_of(today, "week")
        case "last_month":
            days = preceding(today, "month"), start_of(today, "month")
        case "this_month":
            days = start_of(today, "month"), following(today, "day")
    first, end = map(str, days)
    return first, end


def time_of(text: str, option: str, now: datetime) -> str:
    """A time of the command line; `-7d` is seven days before now.

    Raises:
        ConfigurationError: it begins with a dash, and no duration follows.
    """
    relative = _RELATIVE.fullmatch(text)
    if relative is None:
        return text
    length = read_duration(relative[1])
    if length is None or length < timedelta(0) or length > LONGEST:
        raise ConfigurationError(
            f"{option}: {text!r} is not a valid time", hint="write it as -7d, -12h, 2026-11-24 or 2026-11-24T12:00:00Z"
        )
    return f"{(now - length).replace(microsecond=0).isoformat()}Z"
