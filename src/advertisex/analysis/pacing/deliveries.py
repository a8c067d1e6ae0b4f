"""Reads what flights have delivered and spent, day by day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from advertisex.analysis.calendar import period
from advertisex.analysis.cost import CHARGE, click_costs, fees, impression_costs
from advertisex.analysis.flights import Flights
from advertisex.analysis.money import check_integers
from advertisex.analysis.scan import scan_events, scan_frames
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

_FLIGHT = ("start", "currency", "budget", "rate_type")
_KEY = ("campaign_id", "flight_start", "day", "currency", "flight_currency")
_COUNTS = ("impressions", "clicks", "conversions")
_SUMS: dict[str, pl.DataType] = {
    "campaign_id": pl.String(),
    "flight_start": pl.Datetime("us"),
    "day": pl.Date(),
    "currency": pl.String(),
    "flight_currency": pl.String(),
    **dict.fromkeys(_COUNTS, pl.Int64()),
    "charge": pl.Int128(),
    "largest": pl.Int128(),
    "events": pl.Int64(),
    "without_cost": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What flights have delivered.

    Attributes:
        days: campaign_id, start, day (Date), impressions, clicks, conversions (i64), and spend in the currency of the
            flight (Int128, units of 10⁻¹⁵).
        other_spend: campaign_id, start, currency, spend (Int128): what was spent in other currencies, or in an unknown
            one (null).
        rows: number of events in the flights, by feed.
        without_cost: number of impressions of which no cost is known, in flights with a budget and without a rate.
    """

    days: pl.DataFrame
    other_spend: pl.DataFrame
    rows: dict[str, int]
    without_cost: int


def deliveries(store: EventStore, scope: Scope, flights: Flights, *, with_spend: bool) -> Deliveries:
    """Read the deliveries of flights.

    Args:
        store: the event store.
        scope: the range to read, with the campaign and the time zone of days.
        flights: the flights.
        with_spend: whether to read what was spent; otherwise, it is 0.

    Raises:
        AnalysisError: a sum of money may overflow.
    """
    shown = _summed(_impressions(store, scope, flights, with_spend=with_spend))
    clicked = _summed([_clicks(store, scope, flights, with_spend=with_spend)])
    return _result(shown, clicked, _summed([_fees(store, scope, flights)] if with_spend else []))


def no_deliveries() -> Deliveries:
    """What flights have delivered before any of them starts."""
    return _result(*(_summed([]) for _ in range(3)))


def _result(shown: pl.DataFrame, clicked: pl.DataFrame, due: pl.DataFrame) -> Deliveries:
    sums = pl.concat([shown, clicked, due])
    largest: Any = sums["largest"].max()
    check_integers(largest or 0, int(sums["events"].sum()))
    is_own = (pl.col("currency") == pl.col("flight_currency")).fill_null(value=False)
    named = sums.rename({"flight_start": "start", "charge": "spend"})
    return Deliveries(
        days=named.with_columns(spend=pl.when(is_own).then("spend").otherwise(0))
        .group_by("campaign_id", "start", "day")
        .agg(pl.col(*_COUNTS, "spend").sum()),
        other_spend=named.filter(~is_own & (pl.col("spend") > 0))
        .group_by("campaign_id", "start", "currency")
        .agg(pl.col("spend").sum())
        .sort("campaign_id", "start", "currency", nulls_last=True),
        rows={"impressions": int(shown["events"].sum()), "clicks": int(clicked["events"].sum())},
        without_cost=int(sums["without_cost"].sum()),
    )


def _impressions(store: EventStore, scope: Scope, flights: Flights, *, with_spend: bool) -> Iterator[pl.DataFrame]:
    """Sum up the impressions, frame by frame."""
    day = period("day", scope.zone)
    is_costly = pl.col("flight_budget").is_not_null() & pl.col("flight_rate_type").is_null()
    without_cost = (is_costly & pl.col("charge").is_null()).sum()
    if with_spend:
        frames = impression_costs(store, scope, day)
    else:
        read = scan_frames(store, "impressions", scope, pl.col("campaign_id"), pl.col("event_time"), day)
        frames = map(_uncharged, read)
    for frame in frames:
        yield _sums(flights, frame, impressions=pl.len(), without_cost=without_cost)


def _clicks(store: EventStore, scope: Scope, flights: Flights, *, with_spend: bool) -> pl.DataFrame:
    """Sum up clicks and conversions."""
    names = ("user_id", "campaign_id", "event_time", "clicks", "conversions")
    counted = (pl.col("clicks") > 0) | (pl.col("conversions") > 0)
    rows = scan_events(store, "clicks", scope, *map(pl.col, names), period("day", scope.zone), keep=counted)
    charged = click_costs(store, scope, rows) if with_spend else _uncharged(rows)
    return _sums(flights, charged, clicks=pl.col("clicks").sum(), conversions=pl.col("conversions").sum())


def _fees(store: EventStore, scope: Scope, flights: Flights) -> pl.DataFrame:
    """Sum up the fixed fees that are due; they belong to no event."""
    return _sums(flights, fees(store, scope, "day").with_columns(period("day", scope.zone)))


def _uncharged(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in CHARGE.items())


def _sums(flights: Flights, charged: pl.DataFrame, **counts: pl.Expr) -> pl.DataFrame:
    """Sum up what lies in flights, by flight, day and currency. Only flights with a budget spend anything."""
    charge = pl.when(pl.col("flight_budget").is_not_null()).then("charge")
    inside = flights.join(charged, *_FLIGHT).drop_nulls("flight_start")
    return inside.group_by(_KEY).agg(charge.sum(), charge.max().alias("largest"), pl.len().alias("events"), **counts)


def _summed(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Add up sums; what is missing is 0."""
    whole = pl.concat([pl.DataFrame(schema=_SUMS), *parts], how="diagonal_relaxed")
    added = pl.exclude(*_KEY, "largest").fill_null(0).sum()
    return (
        whole.group_by(_KEY)
        .agg(added, pl.col("largest").max())
        .select(pl.col(name).cast(dtype) for name, dtype in _SUMS.items())
    )
