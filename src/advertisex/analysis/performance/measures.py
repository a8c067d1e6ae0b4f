"""Counts, costs and revenue by key: the numbers that performance is made of."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from advertisex.analysis.breakdown import Breakdown
from advertisex.analysis.cost import click_costs, fees, impression_charges
from advertisex.analysis.money import check_integers
from advertisex.analysis.performance.revenue import clicked_rows
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

#: The counts of an answer.
COUNTS = ("impressions", "clicks", "conversions")
_CHARGES = ("key", "currency", "source", "events", "charge", "largest")


@dataclass(frozen=True, slots=True)
class Measures:
    """What was delivered, spent and earned, by key.

    Attributes:
        counts: key, impressions, clicks, conversions (i64).
        spend: key, currency, source (Enum), events (i64: impressions, or clicks and conversions that were charged),
            charge (Int128, units of 10⁻¹⁵).
        revenue: key, currency, orders (i64: conversions with a value), gross and refunds (Decimal; neither negative).
        rows: number of events read, by feed.
        without_cost: number of impressions without a cost of their own.
    """

    counts: pl.DataFrame
    spend: pl.DataFrame
    revenue: pl.DataFrame
    rows: dict[str, int]
    without_cost: int

    @property
    def counts_of_all_keys(self) -> pl.DataFrame:
        """`counts`, with 0 for the keys that have only spend or revenue, such as those of a fee or a refund."""
        has_money = pl.any_horizontal(pl.col("gross", "refunds") != 0)
        money = pl.concat([self.spend.select("key"), self.revenue.filter(has_money).select("key")]).unique()
        others = money.join(self.counts, on="key", how="anti", nulls_equal=True)
        return pl.concat([self.counts, others], how="diagonal").with_columns(pl.col(COUNTS).fill_null(0))

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the spend, one sentence each."""
        count = self.without_cost
        names = "1 impression has" if count == 1 else f"{count:,} impressions have"
        why = "it states none, no bid or CPM of its own is known, or a fixed fee covers it"
        return [f"{names} no cost of its own: {why}."] if count else []

    def in_total(self) -> "Measures":
        """The same measures with null as the only key."""
        nothing = pl.lit(None, pl.String).alias("key")
        counts = self.counts.select(nothing.first(), pl.col(COUNTS).sum())
        return Measures(
            counts,
            self.spend.with_columns(nothing).group_by("key", "currency", "source").agg(pl.all().sum()),
            self.revenue.with_columns(nothing).group_by("key", "currency").agg(pl.all().sum()),
            self.rows,
            self.without_cost,
        )


def measure(store: EventStore, scope: Scope, by: Breakdown) -> Measures:
    """Measure the events of a checked scope.

    Raises:
        AnalysisError: a sum of money may overflow.
    """
    clicked = clicked_rows(store, scope, by)
    shown, charged = _impressions(store, scope, by)
    is_counted = (pl.col("clicks") > 0) | (pl.col("conversions") > 0)
    counts = pl.concat(
        [shown, clicked.filter(is_counted).group_by("key").agg(pl.col("clicks", "conversions").sum())], how="diagonal"
    )
    charges = pl.concat([charged, _click_charges(store, scope, clicked), _fees(store, scope, by)])
    return Measures(
        counts=counts.group_by("key").agg(pl.col(COUNTS).fill_null(0).sum()),
        spend=_summed(charges.drop_nulls("source")),
        revenue=_revenue(clicked),
        rows={"impressions": int(shown["impressions"].sum()), "clicks": clicked.height},
        without_cost=int(charged.filter(pl.col("source").is_null())["events"].sum()),
    )


def _impressions(store: EventStore, scope: Scope, by: Breakdown) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Count the impressions by key, and sum up their charges, frame by frame."""
    sums, keys = [pl.col("events", "charge").sum(), pl.col("largest").max()], ["key", "currency", "source"]
    frames = impression_charges(store, scope, by.of("impressions"), edges=by.edges(store, scope))
    parts = [frame.group_by(keys).agg(sums) for frame in frames]
    charges = pl.concat(parts).group_by(keys).agg(sums).filter(pl.col("events") != 0)
    return charges.group_by("key").agg(impressions=pl.col("events").sum()), charges.select(_CHARGES)


def _click_charges(store: EventStore, scope: Scope, clicked: pl.DataFrame) -> pl.DataFrame:
    """Sum up by key what clicks and conversions cost."""
    own = clicked.rename({"currency": "value_currency"})
    return (
        click_costs(store, scope, own)
        .drop_nulls("charge")
        .group_by("key", "currency", "source")
        .agg(pl.len().cast(pl.Int64).alias("events"), pl.col("charge").sum(), pl.col("charge").max().alias("largest"))
        .select(_CHARGES)
    )


def _fees(store: EventStore, scope: Scope, by: Breakdown) -> pl.DataFrame:
    """The fees that are due, with their key: a period, the campaign or its advertiser; else null."""
    due = fees(store, scope, by.period)
    if by.period is not None:
        due = due.with_columns(by.of("impressions"))
    elif by.column == "campaign_id":
        due = due.with_columns(key="campaign_id")
    elif by.column == "advertiser_id":
        owners = store.catalogue(scope.as_of).select("campaign_id", key="advertiser_id").unique()
        due = due.join(owners.filter(pl.len().over("campaign_id") == 1), on="campaign_id", how="left")
    else:
        due = due.with_columns(key=pl.lit(None, by.dtype))
    return due.with_columns(events=pl.lit(1, pl.Int64), largest="charge").select(_CHARGES)


def _summed(charges: pl.DataFrame) -> pl.DataFrame:
    """Sum up charges by key, currency and source."""
    largest: Any = charges["largest"].max()
    check_integers(largest or 0, int(charges["events"].sum()))
    return charges.group_by("key", "currency", "source").agg(pl.col("events", "charge").sum())


def _revenue(clicked: pl.DataFrame) -> pl.DataFrame:
    """Sum up by key and currency what conversions earned, and what refunds took back."""
    sold, refunded = pl.col("conversions") > 0, pl.col("value") < 0
    value = pl.col("value")
    return (
        clicked.drop_nulls("value")
        .filter(sold | refunded)
        .group_by("key", "currency")
        .agg(
            orders=pl.col("conversions").filter(sold).sum(),
            gross=value.filter(~refunded).sum(),
            refunds=-value.filter(refunded).sum(),
        )
    )
