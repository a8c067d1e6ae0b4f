"""Counts, costs and revenue by key: the numbers that performance is made of."""

from dataclasses import dataclass

import polars as pl

from advertisex.analysis.breakdown import Breakdown
from advertisex.analysis.performance.revenue import clicked_rows, with_matched_keys
from advertisex.analysis.performance.spend import click_charges, cost_notes, spend
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

#: The counts of an answer.
COUNTS = ("impressions", "clicks", "conversions")


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
        return cost_notes(self.without_cost)

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
    clicked = with_matched_keys(store, scope, clicked_rows(store, scope, by), by)
    spent = spend(store, scope, by, click_charges(store, scope, clicked))
    is_counted = (pl.col("clicks") > 0) | (pl.col("conversions") > 0)
    counted = clicked.filter(is_counted).group_by("key").agg(pl.col("clicks", "conversions").sum())
    counts = pl.concat([spent.impressions, counted], how="diagonal")
    return Measures(
        counts=counts.group_by("key").agg(pl.col(COUNTS).fill_null(0).sum()),
        spend=spent.charges,
        revenue=_revenue(clicked),
        rows={"impressions": int(spent.impressions["impressions"].sum()), "clicks": clicked.height},
        without_cost=spent.without_cost,
    )


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
