"""Reads what flights have delivered and spent, day by day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from advertisex.analysis.calendar import limits, local_day
from advertisex.analysis.cost import CHARGE, click_costs, fees, impression_charges
from advertisex.analysis.flights import Flights
from advertisex.analysis.groups import group_frames
from advertisex.analysis.money import check_integers
from advertisex.analysis.scan import scan_events
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

_FLIGHT = ("start", "currency", "budget", "rate_type")
_KEY = ("campaign_id", "flight_start", "day", "currency", "flight_currency", "has_budget")
_COUNTS = ("impressions", "clicks", "conversions")
_SUMS: dict[str, pl.DataType] = {
    "campaign_id": pl.String(),
    "flight_start": pl.Datetime("us"),
    "day": pl.Date(),
    "currency": pl.String(),
    "flight_currency": pl.String(),
    "has_budget": pl.Boolean(),
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
        other_spend: campaign_id, start, currency, spend (Int128): what flights with a budget spent in other
            currencies, or in an unknown one (null).
        rows: number of events in the flights, by feed.
        without_cost: number of impressions of which no cost is known, in flights with a budget and without a rate.
    """

    days: pl.DataFrame
    other_spend: pl.DataFrame
    rows: dict[str, int]
    without_cost: int


def deliveries(store: EventStore, scope: Scope, flights: Flights, at: datetime, *, with_spend: bool) -> Deliveries:
    """Read the deliveries of flights.

    Args:
        store: the event store.
        scope: the range to read, bounded on both sides, with the campaign and the time zone of days.
        flights: the flights.
        at: the current time, up to which fees are due.
        with_spend: whether to read what was spent; otherwise, it is 0.

    Raises:
        AnalysisError: a sum of money may overflow.
    """
    parts = _Parts.of(scope, flights)
    shown = _summed(_impressions(store, scope, parts, with_spend=with_spend))
    clicked = _summed([_clicks(store, scope, parts, with_spend=with_spend)])
    return _result(
        shown, clicked, _summed([parts.sums(_each(fees(store, scope, "day", now=at)))] if with_spend else [])
    )


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
        other_spend=named.filter(~is_own & (pl.col("spend") > 0) & pl.col("has_budget"))
        .group_by("campaign_id", "start", "currency")
        .agg(pl.col("spend").sum())
        .sort("campaign_id", "start", "currency", nulls_last=True),
        rows={"impressions": int(shown["events"].sum()), "clicks": int(clicked["events"].sum())},
        without_cost=int(sums["without_cost"].sum()),
    )


def _impressions(store: EventStore, scope: Scope, parts: "_Parts", *, with_spend: bool) -> Iterator[pl.DataFrame]:
    """Sum up the impressions, frame by frame."""
    edges, events = parts.table["event_time"], pl.col("events")
    if with_spend:
        frames = impression_charges(store, scope, edges=edges)
    else:
        groups = group_frames(store, "impressions", scope, pl.col("campaign_id"), edges=edges)
        frames = (_uncharged(group.rename({"_events": "events"})) for group in groups)
    for frame in frames:
        yield parts.sums(frame, impressions=events.sum(), without_cost=events.filter(pl.col("charge").is_null()).sum())


def _clicks(store: EventStore, scope: Scope, parts: "_Parts", *, with_spend: bool) -> pl.DataFrame:
    """Sum up clicks and conversions."""
    names = ("user_id", "campaign_id", "event_time", "clicks", "conversions")
    counted = (pl.col("clicks") > 0) | (pl.col("conversions") > 0)
    rows = scan_events(store, "clicks", scope, *map(pl.col, names), keep=counted)
    charged = click_costs(store, scope, rows) if with_spend else _uncharged(rows)
    return parts.sums(_each(charged), clicks=pl.col("clicks").sum(), conversions=pl.col("conversions").sum())


def _each(rows: pl.DataFrame) -> pl.DataFrame:
    """Charged rows that are an event each, as `sums` expects them."""
    return rows.with_columns(events=pl.lit(1, pl.Int64), largest="charge")


def _uncharged(rows: pl.DataFrame) -> pl.DataFrame:
    charge = {**CHARGE, "largest": CHARGE["charge"]}
    return rows.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in charge.items())


@dataclass(frozen=True, slots=True)
class _Parts:
    """A range divided where days, and any flights, begin and end.

    The events of a campaign in a part are all in the same flight, or in none, so they are joined with flights after
    they are summed up.

    Attributes:
        flights: the flights.
        table: part (u32, from 1 on), event_time (its start), day (Date).
    """

    flights: Flights
    table: pl.DataFrame

    @classmethod
    def of(cls, scope: Scope, flights: Flights) -> "_Parts":
        since, until = scope.since, scope.until
        assert since is not None
        assert until is not None
        times = {time for name in ("start", "end") for time in flights.rows[name] if since < time < until}
        starts = sorted(times.union(limits(since, until, "day", scope.zone)))[:-1]
        days = [local_day(time, scope.zone) for time in starts]
        table = pl.DataFrame(
            {"part": range(1, len(starts) + 1), "event_time": starts, "day": days},
            schema={"part": pl.UInt32, "event_time": pl.Datetime("us"), "day": pl.Date},
        )
        return cls(flights, table)

    def sums(self, charged: pl.DataFrame, **counts: pl.Expr) -> pl.DataFrame:
        """Sum up what lies in flights, by flight, day and currency.

        Args:
            charged: campaign_id (String), event_time, events (i64), `CHARGE` of all of them together, and largest
                (Int128), the charge of one of them.
            counts: what else to sum up.
        """
        part = self.table["event_time"].search_sorted(charged["event_time"], side="right").alias("part")
        sums = (
            charged.with_columns(part)
            .group_by("campaign_id", "part", "currency")
            .agg(pl.col("charge", "events").sum(), pl.col("largest").max(), **counts)
            .join(self.table, on="part")
        )
        inside = self.flights.join(sums, *_FLIGHT).drop_nulls("flight_start")
        inside = inside.with_columns(has_budget=pl.col("flight_budget").is_not_null())
        if "without_cost" in counts:
            is_unknown = pl.col("has_budget") & pl.col("flight_rate_type").is_null()
            inside = inside.with_columns(pl.when(is_unknown).then("without_cost").otherwise(0))
        return inside


def _summed(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Add up sums; what is missing is 0."""
    known = [part.select(name for name in _SUMS if name in part.columns) for part in parts]
    whole = pl.concat([pl.DataFrame(schema=_SUMS), *known], how="diagonal_relaxed")
    added = pl.exclude(*_KEY, "largest").fill_null(0).sum()
    return (
        whole.group_by(_KEY)
        .agg(added, pl.col("largest").max())
        .select(pl.col(name).cast(dtype) for name, dtype in _SUMS.items())
    )
