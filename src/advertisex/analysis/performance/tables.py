"""Computes the ratios of measures, and puts those of the previous period beside them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import polars as pl
import polars.selectors as cs

from advertisex.analysis.cost import COST
from advertisex.analysis.intervals import rate, ratio
from advertisex.analysis.money import decimals
from advertisex.analysis.performance.measures import COUNTS, Measures

_RATES = (*rate("clicks", "impressions", "ctr"), *rate("conversions", "clicks", "cvr"))
_COMPARED = ("spend", "cpm", "cpc", "cpa", "revenue", "roas", "average_order_value")
_MONEY = (
    "key", "currency", "cost_sources", "spend", "cpm", "cpc", "cpa", "gross_revenue", "refunds", "revenue", "roas",
    "average_order_value",
)  # fmt: skip


def count_rows(own: Measures, previous: Measures | None, *, all_keys: bool) -> pl.DataFrame:
    """Return the counts and rates by key, ordered by key (null last).

    Args:
        own: the measures.
        previous: what they are compared with.
        all_keys: also return the keys that only the previous measures have.

    Returns:
        key, `COUNTS`, ctr and cvr with their intervals (f64), and, with previous measures, `COUNTS`, ctr and cvr with
        the suffix `_previous`.
    """
    rows = own.counts_of_all_keys
    if previous is not None:
        before = previous.counts.rename({name: f"{name}_previous" for name in COUNTS})
        rows = rows.join(before, on="key", how="full" if all_keys else "left", nulls_equal=True, coalesce=True)
    rows = rows.with_columns(pl.exclude("key").fill_null(0)).sort("key", nulls_last=True).with_columns(_RATES)
    if previous is None:
        return rows
    return rows.select(
        "key", *COUNTS, "^ctr.*$", "^cvr.*$", *(f"{name}_previous" for name in COUNTS),
        ratio("clicks_previous", "impressions_previous", "ctr_previous"),
        ratio("conversions_previous", "clicks_previous", "cvr_previous"),
    )  # fmt: skip


def money_rows(own: Measures, previous: Measures | None, *, all_keys: bool) -> pl.DataFrame:
    """Return money by key and currency, ordered by key (null last) and currency (null first).

    Args:
        own: the measures.
        previous: what they are compared with.
        all_keys: also return the keys and currencies that only the previous measures have.

    Returns:
        key, currency, cost_sources (the sources of the spend, separated by commas), spend (Decimal(38, 15)), cpm, cpc,
        cpa (f64), gross_revenue, refunds, revenue (Decimal(38, 12)), roas, average_order_value (f64), and, with
        previous measures, all of these but cost_sources, gross_revenue and refunds with the suffix `_previous`.
    """
    rows = _money(own)
    if previous is not None:
        before = _money(previous).select("key", "currency", pl.col(_COMPARED).name.suffix("_previous"))
        how: Literal["full", "left"] = "full" if all_keys else "left"
        rows = rows.join(before, on=["key", "currency"], how=how, nulls_equal=True, coalesce=True)
        rows = rows.with_columns(cs.decimal().fill_null(0))
    # null is last among keys, and first among currencies
    return rows.sort(pl.col("key").is_null(), "key", pl.col("currency").is_not_null(), "currency")


def _money(measures: Measures) -> pl.DataFrame:
    """The money of measures by key and currency; amounts are 0 if nothing is known, ratios null."""
    spend = (
        measures.spend.sort("source")
        .group_by("key", "currency", maintain_order=True)
        .agg(pl.col("charge").sum(), cost_sources=pl.col("source").cast(pl.String).str.join(", "))
    )
    rows = (
        spend.join(measures.revenue, on=["key", "currency"], how="full", nulls_equal=True, coalesce=True)
        .join(measures.counts, on="key", how="left", nulls_equal=True)
        .with_columns(pl.col("charge", "orders", "gross", "refunds", *COUNTS).fill_null(0))
        .with_columns(revenue=pl.col("gross") - pl.col("refunds"))
        .with_columns(is_only=(pl.col("cost_sources").is_not_null().sum() == 1).over("key"))
    )
    costs = {"cpm": (1000, "impressions"), "cpc": (1, "clicks"), "cpa": (1, "conversions")}
    charge, scale = rows["charge"].to_list(), 10**COST
    spent = [units if only else None for units, only in zip(charge, rows["is_only"], strict=True)]
    columns = {
        name: ratios([units and units * factor for units in spent], [count * scale for count in rows[of]])
        for name, (factor, of) in costs.items()
    }
    net, gross = ([int(amount.scaleb(COST)) for amount in rows[name]] for name in ("revenue", "gross"))
    columns["roas"] = ratios(net, charge)
    columns["average_order_value"] = ratios(gross, [count * scale for count in rows["orders"]])
    return rows.with_columns(
        *(pl.Series(name, found, pl.Float64) for name, found in columns.items()),
        decimals(rows["charge"], COST).alias("spend"),
        pl.col("gross").alias("gross_revenue"),
    ).select(_MONEY)


def ratios(numerators: Sequence[int | None], denominators: Sequence[int]) -> list[float | None]:
    """Divide integers exactly, and round once; null without a numerator, or if the denominator is 0."""
    pairs = zip(numerators, denominators, strict=True)
    return [None if number is None or not of else float(Fraction(number, of)) for number, of in pairs]
