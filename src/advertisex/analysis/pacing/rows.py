"""Computes the rows of pacing: one for each flight and each measure that is booked for it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from advertisex.analysis.cost import COST
from advertisex.analysis.flights import Flights
from advertisex.analysis.money import scaled
from advertisex.analysis.pacing.curve import CurveName, Span, curve_of
from advertisex.analysis.pacing.deliveries import Deliveries, deliveries, no_deliveries
from advertisex.analysis.pacing.projection import Projection, project
from advertisex.analysis.scope import Scope
from advertisex.model import MONEY
from advertisex.stores.contract import EventStore

#: What can be booked: the counts, and the spend, which has a budget.
MEASURES = ("impressions", "clicks", "conversions", "spend")

#: Quantities have the decimal places of a cost, whatever their measure.
QUANTITY = pl.Decimal(38, COST)

ROWS: dict[str, pl.DataType] = {
    "campaign_id": pl.String(),
    "start": pl.Datetime("us"),
    "end": pl.Datetime("us"),
    "measure": pl.String(),
    "booked": QUANTITY,
    "delivered": QUANTITY,
    "expected": QUANTITY,
    "pace": pl.Float64(),
    "projected": pl.Float64(),
    "projected_low": pl.Float64(),
    "projected_high": pl.Float64(),
    "difference": pl.Float64(),
    "at_stake": QUANTITY,
    "currency": pl.String(),
    "days_left": pl.Float64(),
    "status": pl.String(),
    "curve": pl.String(),
}

#: The rate that pays for a measure, and for how many.
_PAID = {"impressions": ("cpm", 1000), "clicks": ("cpc", 1), "conversions": ("cpa", 1)}
_UNITS = 10**COST
_MOST_UNITS = 10**38
_DAY = timedelta(days=1)

Days = Mapping[tuple[str, datetime], Mapping[date, dict[str, int]]]


def pacing_rows(
    store: EventStore, scope: Scope, flights: pl.DataFrame, at: datetime, curve: CurveName
) -> tuple[pl.DataFrame, Deliveries]:
    """Compute the rows of flights.

    Args:
        store: the event store.
        scope: a checked scope without a start: its `until`, campaign, `as_of` and zone are used.
        flights: `CAMPAIGN_COLUMNS`, ordered by campaign and start: all flights of their campaigns, since they are the
            history of the weekday curve.
        at: the time up to which the numbers are known.
        curve: the curve that is asked for.

    Returns:
        `ROWS`, ordered by currency, what is at stake (largest first), campaign, start and measure, rows without money
        last; and what they were computed from.
    """
    found = _deliveries(store, scope, flights, at)
    days = _by_flight(found.days)
    spans = {
        campaign: own.select("start", "end").rows()
        for (campaign,), own in flights.group_by("campaign_id", maintain_order=True)
    }
    rows = []
    for flight in flights.iter_rows(named=True):
        campaign = flight["campaign_id"]
        for measure, booked in _booked(flight):
            own = _by_day(days, campaign, [span for span in spans[campaign] if span[0] == flight["start"]], measure)
            history = _by_day(days, campaign, spans[campaign], measure) if curve == "weekday" else {}
            spread = curve_of(curve, scope.zone, spans[campaign], history, at)
            projection = project(booked, own, flight["start"], flight["end"], at, spread)
            rows.append(_row(flight, measure, booked, projection, at))
    order = {name: number for number, name in enumerate(MEASURES)}
    table = pl.DataFrame(rows, schema=ROWS, orient="row").sort(
        pl.col("at_stake").is_null(), "currency", -pl.col("at_stake"), "campaign_id", "start",
        pl.col("measure").replace_strict(order, return_dtype=pl.Int8),
        nulls_last=True,
    )  # fmt: skip
    return table, found


def _deliveries(store: EventStore, scope: Scope, flights: pl.DataFrame, at: datetime) -> Deliveries:
    """Read the deliveries of flights up to a time."""
    begun = flights.filter(pl.col("start") <= at)
    since, last = begun["start"].min(), begun["end"].max()
    if not isinstance(since, datetime) or not isinstance(last, datetime):
        return no_deliveries()
    until = min(last, scope.until or _after(at))
    if since >= until:
        return no_deliveries()
    within = replace(scope, since=since, until=until)
    return deliveries(store, within, Flights(flights), at, with_spend=begun["budget"].count() > 0)


def _after(time: datetime) -> datetime:
    """The exclusive end of a range that a time is in."""
    return time + min(timedelta.resolution, datetime.max - time)  # noqa: DTZ901 - naive UTC, like all times here


def _by_flight(days: pl.DataFrame) -> Days:
    """The deliveries of each flight, by day."""
    found: dict[tuple[str, datetime], dict[date, dict[str, int]]] = {}
    for row in days.iter_rows(named=True):
        found.setdefault((row["campaign_id"], row["start"]), {})[row["day"]] = row
    return found


def _by_day(days: Days, campaign: str, flights: Sequence[Span], measure: str) -> dict[date, int]:
    """What flights of a campaign delivered, by day."""
    found: dict[date, int] = {}
    for start, _ in flights:
        for day, counts in days.get((campaign, start), {}).items():
            found[day] = found.get(day, 0) + counts[measure]
    return found


def _booked(flight: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The measures that are booked for a flight, in their units."""
    for measure in MEASURES:
        booked = flight["budget" if measure == "spend" else measure]
        if booked is not None:
            yield measure, int(booked.scaleb(COST)) if measure == "spend" else booked


def _row(flight: Mapping[str, Any], measure: str, booked: int, found: Projection, at: datetime) -> tuple[Any, ...]:
    """A row of `ROWS`."""
    scale = _UNITS if measure == "spend" else 1
    projected, low, high = (_rounded(number, scale) for number in (found.projected, found.low, found.high))
    difference = None if projected is None else projected - Fraction(booked, scale)
    return (
        flight["campaign_id"],
        flight["start"],
        flight["end"],
        measure,
        *(_quantity(Fraction(number, scale)) for number in (booked, found.delivered, found.expected)),
        *(None if number is None else float(number) for number in (found.pace, projected, low, high, difference)),
        None if difference is None else _at_stake(flight, measure, booked, difference),
        flight["currency"],
        max(timedelta(0), flight["end"] - at) / _DAY,
        found.status,
        found.curve.name,
    )


def _at_stake(flight: Mapping[str, Any], measure: str, booked: int, difference: Fraction) -> Decimal | None:
    """What a difference is worth; None if no money is known."""
    if measure == "spend":
        return _quantity(abs(difference))
    rate_type, count = _PAID[measure]
    if flight["rate_type"] == rate_type:
        return _quantity(abs(difference) * Fraction(flight["rate"]) / count)
    whole = flight["rate"] if flight["budget"] is None and flight["rate_type"] == "fixed" else flight["budget"]
    return None if whole is None or not booked else _quantity(abs(difference) * Fraction(whole) / booked)


def _quantity(number: Fraction) -> Decimal | None:
    """A quantity, rounded down to 10⁻¹⁵; None if it has too many digits, such as what a first second projects."""
    units = math.floor(number * _UNITS)
    return scaled(units, COST) if units < _MOST_UNITS else None


def _rounded(number: Fraction | None, scale: int) -> Fraction | None:
    """A projection with the decimal places of money: it is not more exact than that, since fees are rounded down."""
    return None if number is None else Fraction(round(number * 10**MONEY / scale), 10**MONEY)
