"""Calendar periods of event times, in the time zone of a question: hours, days, ISO weeks and months.

A day, a week (its Monday) and a month (its first day) are dates of that zone, so a day has 23 or 25 hours when the
clocks change. An hour is the time (UTC) at which it begins: the two hours of one name, when clocks go back, are two.
"""

from datetime import UTC, date, datetime, timedelta
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


def following(day: date, unit: Period) -> date:
    """The first day of the next day, week or month."""
    if unit == "month":
        return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=7 if unit == "week" else 1)


def start_of(day: date, unit: Period) -> date:
    """The first day of the day, week or month that contains a day."""
    if unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == "week" else day


def preceding(day: date, unit: Period) -> date:
    """The first day of the day, week or month before the one that contains a day."""
    return start_of(start_of(day, unit) - timedelta(days=1), unit)


def local_day(time: datetime, zone: str) -> date:
    """The day (of the zone) that contains a time (naive UTC)."""
    return time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()


def limits(since: datetime, until: datetime, unit: Period | None, zone: str) -> list[datetime]:
    """The times from `since` to `until` (naive UTC), divided where a period of the zone begins.

    Args:
        since: the first limit.
        until: the last limit; if it is not after `since`, there are none.
        unit: the period; an hour divides at every quarter of one, where the hours of all zones begin; None divides
            nothing.
        zone: IANA name of a time zone.
    """
    if since >= until:
        return []
    inner: list[datetime] = []
    if unit == "hour":
        quarter = timedelta(minutes=15)
        time = since - (since - datetime.min) % quarter  # noqa: DTZ901 - naive UTC
        while (time := time + quarter) < until:
            inner.append(time)
        return [since, *inner, until]
    if unit is not None:
        day = start_of(local_day(since, zone), unit)
        while (time := midnight(day := following(day, unit), zone)) < until:
            inner.append(time)
    return [since, *inner, until]


def _local(zone: str) -> pl.Expr:
    """The event time as shown by the clocks of a zone."""
    if zone == "UTC":
        return _EVENT_TIME
    return _EVENT_TIME.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
