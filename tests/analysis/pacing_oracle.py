"""Pacing in plain loops over days and fractions, by its definition in docs/metrics.md."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from scipy.stats import t as student_t

from tests.analysis.small_worlds import Dataset

Row = dict[str, Any]
DAY = timedelta(days=1)
MEASURES = ("impressions", "clicks", "conversions", "spend")


def begin(day: date, zone: str) -> datetime:
    """When a day begins, naive UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def day_of(time: datetime, zone: str) -> date:
    return time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()


def days_of(start: datetime, end: datetime, zone: str) -> Iterator[tuple[date, datetime, datetime]]:
    """The days that an interval touches, with their limits."""
    day = day_of(start, zone)
    while begin(day, zone) < end:
        yield day, begin(day, zone), begin(day + DAY, zone)
        day += DAY


def part(start: datetime, end: datetime, first: datetime, last: datetime) -> Fraction:
    """Which part of the time from first to last lies between start and end."""
    common = max(timedelta(0), min(end, last) - max(start, first))
    return Fraction(common // timedelta.resolution, (last - first) // timedelta.resolution)


def due(flight: Row, time: datetime) -> int:
    """The fixed fee that is due at a time, in units of 10⁻¹⁵."""
    whole = Fraction(flight["rate"]) * 10**15
    return math.floor(whole * part(flight["start"], max(time, flight["start"]), flight["start"], flight["end"]))


@dataclass
class World:
    """What is asked, and what there is to count."""

    data: Dataset
    flights: list[Row]
    at: datetime
    until: datetime | None
    zone: str

    def events(self, flight: Row) -> Iterator[tuple[datetime, str, Fraction, str | None]]:
        """Time, measure, quantity and currency of all that a flight delivered and spent."""
        for row in self.data.impressions:
            if self.is_in(row, flight):
                yield row["event_time"], "impressions", Fraction(1), None
                if flight["rate_type"] == "fixed":
                    continue
                if row["cost"] is not None:
                    yield row["event_time"], "spend", Fraction(row["cost"]), row["currency"]
                elif flight["rate_type"] == "cpm":
                    yield row["event_time"], "spend", Fraction(flight["rate"]) / 1000, flight["currency"]
        for row in self.data.clicks:
            if self.is_in(row, flight):
                for name, rate in (("clicks", "cpc"), ("conversions", "cpa")):
                    yield row["event_time"], name, Fraction(row[name]), None
                    if flight["rate_type"] == rate:
                        yield row["event_time"], "spend", row[name] * Fraction(flight["rate"]), flight["currency"]
        if flight["rate_type"] == "fixed":
            last = min(flight["end"], self.at)
            for _, first, end in days_of(flight["start"], last, self.zone):
                before, after = (due(flight, time) for time in (first, min(end, last)))
                yield max(first, flight["start"]), "spend", Fraction(after - before, 10**15), flight["currency"]

    def is_in(self, row: Row, flight: Row) -> bool:
        time = row["event_time"]
        is_known = self.until is None or time < self.until
        return row["campaign_id"] == flight["campaign_id"] and flight["start"] <= time < flight["end"] and is_known

    def days(self, flights: list[Row], measure: str) -> dict[date, Fraction]:
        found: dict[date, Fraction] = {}
        for flight in flights:
            for time, name, quantity, currency in self.events(flight):
                if name == measure and (name != "spend" or currency == flight["currency"]):
                    day = day_of(time, self.zone)
                    found[day] = found.get(day, Fraction(0)) + quantity
        return found

    def shares(self, flight: Row, measure: str) -> tuple[list[Fraction] | None, list[Fraction]]:
        """What each day of the week has in the complete weeks, or None with too few."""
        mine = [one for one in self.flights if one["campaign_id"] == flight["campaign_id"]]
        found, weeks = [Fraction(0)] * 7, 0
        delivered = self.days(mine, measure)
        monday = day_of(min(one["start"] for one in mine), self.zone)
        monday -= timedelta(days=monday.weekday())
        while (end := begin(monday + 7 * DAY, self.zone)) <= self.at:
            covered = sum(part(one["start"], one["end"], begin(monday, self.zone), end) for one in mine)
            if covered == 1:
                weeks += 1
                for number in range(7):
                    found[number] += delivered.get(monday + number * DAY, Fraction(0))
            monday += 7 * DAY
        return (found if weeks >= 2 and any(found) else None), found

    def curve(self, flight: Row, measure: str, name: str) -> tuple[str, Callable[[date], Fraction]]:
        """The curve that is used, and the weight of a whole day."""
        length = lambda day: Fraction((begin(day + DAY, self.zone) - begin(day, self.zone)) // timedelta.resolution)  # noqa: E731
        shares, _ = self.shares(flight, measure) if name == "weekday" else (None, [])
        if shares is None:
            return "linear", length
        weekday = lambda day: shares[day.weekday()]  # noqa: E731
        return ("weekday", weekday) if self.weight(flight["start"], flight["end"], weekday) else ("linear", length)

    def weight(self, start: datetime, end: datetime, of_day: Callable[[date], Fraction]) -> Fraction:
        parts = (of_day(day) * part(start, end, *limits) for day, *limits in days_of(start, end, self.zone))
        return sum(parts, Fraction(0))


def expected_row(world: World, flight: Row, measure: str, curve: str) -> Row:
    """What a row of the answer must have."""
    at, start, end = world.at, flight["start"], flight["end"]
    booked = Fraction(flight["budget" if measure == "spend" else measure])
    used, of_day = world.curve(flight, measure, curve)
    now = min(max(at, start), end)
    whole, elapsed, left = (world.weight(*span, of_day) for span in ((start, end), (start, now), (now, end)))
    days = world.days([flight], measure)
    delivered, expected = sum(days.values(), Fraction(0)), booked * elapsed / whole
    complete = [
        (days.get(day, Fraction(0)), of_day(day))
        for day, first, last in days_of(start, now, world.zone)
        if start <= first and last <= now and of_day(day)
    ]
    row = {"booked": booked, "delivered": delivered, "expected": expected, "curve": used}
    row["pace"] = delivered / expected if expected else None
    row["status"] = status(booked, delivered, expected, world, flight)
    projected = low = high = None
    if at >= end:
        projected = low = high = delivered
    elif at > start:
        rate = None
        if complete:
            rate = sum(y for y, _ in complete) / sum(w for _, w in complete)
        elif elapsed:
            rate = delivered / elapsed
        if rate is not None:
            projected = delivered + rate * left
            if not left:
                low = high = projected
            elif len(complete) >= 3:
                half = half_width(complete, left)
                low, high = max(float(delivered), float(projected) - half), float(projected) + half
    difference = None if projected is None else projected - booked
    worth = None if difference is None else value_of(flight, measure, booked, abs(difference))
    return row | {"projected": projected, "low": low, "high": high, "difference": difference, "at_stake": worth}


def half_width(complete: list[tuple[Fraction, Fraction]], left: Fraction) -> float:
    n, sum_y, sum_w = len(complete), sum(y for y, _ in complete), sum(w for _, w in complete)
    rate = sum_y / sum_w
    spread = sum((y - rate * w) ** 2 / w for y, w in complete) / (n - 1)
    return float(student_t.ppf(0.975, n - 1)) * math.sqrt(spread * (left + left**2 / sum_w))


def status(booked: Fraction, delivered: Fraction, expected: Fraction, world: World, flight: Row) -> str:
    if world.at <= flight["start"]:
        return "not_started"
    if world.at >= flight["end"]:
        return "ended"
    if delivered >= booked:
        return "exhausted"
    if delivered * 10 < expected * 9:
        return "behind"
    return "ahead" if delivered * 10 > expected * 11 else "on_pace"


def value_of(flight: Row, measure: str, booked: Fraction, difference: Fraction) -> Fraction | None:
    paid = {"impressions": "cpm", "clicks": "cpc", "conversions": "cpa"}
    if measure == "spend":
        return difference
    if flight["rate_type"] == paid[measure]:
        return difference * Fraction(flight["rate"]) / (1000 if measure == "impressions" else 1)
    whole = flight["budget"]
    if whole is None and flight["rate_type"] == "fixed":
        whole = flight["rate"]
    return difference * Fraction(whole) / booked if whole is not None and booked else None
