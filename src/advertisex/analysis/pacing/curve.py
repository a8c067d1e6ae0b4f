"""How what is booked for a flight is expected to be spread over its time.

    linear   evenly
    weekday  each day of the week gets the part of a week that it had in the complete weeks before, evenly over the day

A curve gives each interval of time a weight; what is expected of an interval is in proportion to it. Weights are
exact, and have a unit of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Literal, get_args

from advertisex.analysis.calendar import following, local_day, midnight, start_of

CurveName = Literal["linear", "weekday"]
CURVES: tuple[CurveName, ...] = get_args(CurveName)

#: The weekday curve needs as many complete weeks.
WEEKS = 2

_WEEK = 7
_MICROSECOND = timedelta.resolution
#: No time zone has a day that reaches beyond the calendar up to here; flights may end later.
_LAST = datetime.max - timedelta(days=2)  # noqa: DTZ901 - naive UTC, like all times here

Span = tuple[datetime, datetime]


def first_midnight(time: datetime, zone: str) -> tuple[date, datetime]:
    """The first day of a zone that begins at a time (naive UTC) or after it, and when it begins."""
    day = local_day(time, zone)
    if midnight(day, zone) < time:
        day = following(day, "day")
    return day, midnight(day, zone)


@dataclass(frozen=True, slots=True)
class Linear:
    """Spreads evenly; a weight is a number of microseconds."""

    zone: str
    name: CurveName = "linear"

    def weight(self, start: datetime, end: datetime) -> Fraction:
        """The weight of an interval; 0 if it is empty."""
        return Fraction(max(0, (end - start) // _MICROSECOND))

    def day(self, day: date) -> int:
        """The weight of a whole day."""
        return (midnight(following(day, "day"), self.zone) - midnight(day, self.zone)) // _MICROSECOND

    def count(self, first: date, last: date) -> int:
        """The number of days from the first to the one before the last that have a weight."""
        return max(0, (last - first).days)


@dataclass(frozen=True, slots=True)
class Weekday:
    """Spreads by days of the week; a weight is in the unit of the history.

    Attributes:
        parts: what the history has of each day of the week, from Monday on; not all 0.
    """

    zone: str
    parts: Sequence[int]
    name: CurveName = "weekday"

    def weight(self, start: datetime, end: datetime) -> Fraction:
        """The weight of an interval; 0 if it is empty."""
        start, end = min(start, _LAST), min(end, _LAST)
        if start >= end:
            return Fraction(0)
        return self._until(end, since := local_day(start, self.zone)) - self._until(start, since)

    def _until(self, time: datetime, since: date) -> Fraction:
        """The weight from the beginning of a day to a time."""
        day = local_day(time, self.zone)
        begin, end = midnight(day, self.zone), midnight(following(day, "day"), self.zone)
        whole = sum(part * days for part, days in zip(self.parts, _weekdays(since, day), strict=True))
        return whole + Fraction(self.day(day) * ((time - begin) // _MICROSECOND), (end - begin) // _MICROSECOND)

    def day(self, day: date) -> int:
        """The weight of a whole day."""
        return self.parts[day.weekday()]

    def count(self, first: date, last: date) -> int:
        """The number of days from the first to the one before the last that have a weight."""
        return sum(days for part, days in zip(self.parts, _weekdays(first, last), strict=True) if part)


Curve = Linear | Weekday


def curve_of(name: CurveName, zone: str, flights: Sequence[Span], days: Mapping[date, int], at: datetime) -> Curve:
    """The curve of a campaign; linear if the history has too few complete weeks, or nothing in them.

    Args:
        name: the curve that is asked for.
        zone: time zone of days and weeks.
        flights: start and end of the flights of the campaign, ordered by start.
        days: what they delivered on each day.
        at: end of the history.
    """
    if name == "linear":
        return Linear(zone)
    weeks = list(_complete_weeks(zone, flights, at))
    parts = [0] * _WEEK
    for monday in weeks:
        for number in range(_WEEK):
            parts[number] += days.get(monday + timedelta(days=number), 0)
    return Weekday(zone, parts) if len(weeks) >= WEEKS and any(parts) else Linear(zone)


def _complete_weeks(zone: str, flights: Sequence[Span], at: datetime) -> Iterator[date]:
    """The Mondays of the ISO weeks before a time that lie wholly in flights, also in several that touch."""
    seen = None
    for first, last in _joined(flights):
        monday = start_of(local_day(first, zone), "week")
        while (end := midnight(following(monday, "week"), zone)) <= min(last, at):
            if midnight(monday, zone) >= first and monday != seen:
                yield monday
            seen, monday = monday, following(monday, "week")
            if end == at:
                break


def _joined(flights: Sequence[Span]) -> Iterator[Span]:
    """The flights, those that touch as one."""
    open_span: Span | None = None
    for start, end in flights:
        if open_span is not None and open_span[1] == start:
            open_span = (open_span[0], end)
        else:
            if open_span is not None:
                yield open_span
            open_span = (start, end)
    if open_span is not None:
        yield open_span


def _weekdays(first: date, last: date) -> list[int]:
    """How often each day of the week is among the days from the first to the one before the last."""
    weeks, more = divmod(max(0, (last - first).days), _WEEK)
    return [weeks + ((number - first.weekday()) % _WEEK < more) for number in range(_WEEK)]
