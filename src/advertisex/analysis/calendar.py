"""Calendar periods of event times, in the time zone of a question: hours, days, ISO weeks and months.

A day, a week (its Monday) and a month (its first day) are dates of that zone, so a day has 23 or 25 hours when the
clocks change. An hour is the time (UTC) at which it begins: the two hours of one name, when clocks go back, are two.
"""

from datetime import UTC, date, datetime
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import polars as pl

Period = Literal["hour", "day", "week", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)

_EVENT_TIME = pl.col("event_time")


def period(name: Period, zone: str) -> pl.Expr:
    """The period that contains an event, as a column of its name: Datetime (UTC) for an hour, else Date.

    Args:
        name: one of `PERIODS`.
        zone: IANA name of a time zone.
    """
    local = _local(zone)
    match name:
        case "hour":
            start = _EVENT_TIME - (local - local.dt.truncate("1h"))
        case "day":
            start = local.dt.date()
        case "week":
            start = local.dt.date().dt.truncate("1w")
        case "month":
            start = local.dt.date().dt.truncate("1mo")
    return start.alias(name)


def midnight(day: date, zone: str) -> datetime:
    """The time (naive UTC) at which a day begins in a zone. If the clocks skip midnight, that is when they do."""
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return start.astimezone(UTC).replace(tzinfo=None)


def _local(zone: str) -> pl.Expr:
    """The event time as shown by the clocks of a zone."""
    if zone == "UTC":
        return _EVENT_TIME
    return _EVENT_TIME.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
