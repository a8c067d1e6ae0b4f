"""What impressions, clicks, conversions and fees cost together, by key."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from advertisex.analysis.breakdown import Breakdown
from advertisex.analysis.cost import click_costs, fees, impression_charges
from advertisex.analysis.money import check_integers
from advertisex.analysis.performance.revenue import clicked_rows, with_matched_keys
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

_SUMMED = ("key", "currency", "source")
_CHARGES = (*_SUMMED, "events", "charge", "largest")


@dataclass(frozen=True, slots=True)
class Spend:
    """What the events of a scope cost.

    Attributes:
        impressions: key, impressions (i64).
        charges: key, currency, source (Enum), events (i64: impressions, or clicks and conversions that were charged),
            charge (Int128, units of 10⁻¹⁵).
        without_cost: number of impressions without a cost of their own.
    """

    impressions: pl.DataFrame
    charges: pl.DataFrame
    without_cost: int

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the spend, one sentence each."""
        return cost_notes(self.without_cost)


def spend_of_events(store: EventStore, scope: Scope, by: Breakdown) -> Spend:
    """Sum up what the events of a checked scope cost.

    Raises:
        AnalysisError: a sum of money may overflow.
    """
    charged = click_charges(store, scope, clicked_rows(store, scope, by))
    return spend(store, scope, by, with_matched_keys(store, scope, charged, by))


def click_charges(store: EventStore, scope: Scope, clicked: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of `clicked_rows` that cost something, and add `CHARGE` with its currency instead of their own."""
    own = clicked.rename({"currency": "value_currency"})
    return click_costs(store, scope, own).drop_nulls("charge")


def spend(store: EventStore, scope: Scope, by: Breakdown, charged: pl.DataFrame) -> Spend:
    """Sum up what the events of a scope cost; `charged` are its `click_charges` with their keys.

    Raises:
        AnalysisError: a sum of money may overflow.
    """
    shown, of_impressions = _impressions(store, scope, by)
    of_clicks = (
        charged.group_by(_SUMMED)
        .agg(pl.len().cast(pl.Int64).alias("events"), pl.col("charge").sum(), pl.col("charge").max().alias("largest"))
        .select(_CHARGES)
    )
    charges = pl.concat([of_impressions, of_clicks, _fees(store, scope, by)])
    return Spend(
        impressions=shown,
        charges=_summed(charges.drop_nulls("source")),
        without_cost=int(of_impressions.filter(pl.col("source").is_null())["events"].sum()),
    )


def _impressions(store: EventStore, scope: Scope, by: Breakdown) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Count the impressions by key, and sum up their charges, frame by frame."""
    sums = [pl.col("events", "charge").sum(), pl.col("largest").max()]
    frames = impression_charges(store, scope, by.of("impressions"), edges=by.edges(store, scope))
    parts = [frame.group_by(_SUMMED).agg(sums) for frame in frames]
    charges = pl.concat(parts).group_by(_SUMMED).agg(sums).filter(pl.col("events") != 0)
    return charges.group_by("key").agg(impressions=pl.col("events").sum()), charges.select(_CHARGES)


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
    return charges.group_by(_SUMMED).agg(pl.col("events", "charge").sum())


def cost_notes(without_cost: int) -> list[str]:
    """What a reader must know about a spend with so many impressions without a cost of their own."""
    if without_cost == 0:
        return []
    if without_cost == 1:
        names, why = (
            "1 impression has no cost of its own",
            "it states none, has no bid or CPM, or a fixed fee covers it",
        )
    else:
        names = f"{without_cost:,} impressions have no cost of their own"
        why = "they state none, have no bids or CPMs, or fixed fees cover them"
    return [f"{names}: {why}."]
