"""Performance: what campaigns delivered, what it cost and what it earned, with the previous period beside it.

    spend                what impressions, clicks, conversions and flights cost, see `cost`
    cpm, cpc, cpa        1000 × spend / impressions, spend / clicks, spend / conversions
    gross_revenue        the values of conversions
    refunds              what refunds took back; not negative
    revenue              gross_revenue − refunds
    roas                 revenue / spend
    average_order_value  gross_revenue / conversions with a value
    ctr, cvr             clicks / impressions, conversions / clicks, with their 95 % Wilson score intervals

Money is by currency. A cost per something exists only where all of the spend is in one currency.

The previous period of a range is the range of the same length before it, in the clock time of the zone. By day, week or
month, each is compared with the one before.
"""

from datetime import timedelta
from typing import Any, Literal

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.breakdown import Breakdown, breakdown_of
from advertisex.analysis.calendar import Period
from advertisex.analysis.cost import COST
from advertisex.analysis.impression_match import ANSWER_WINDOW
from advertisex.analysis.intervals import CONFIDENCE
from advertisex.analysis.money import decimals
from advertisex.analysis.performance.measures import COUNTS, Measures, measure
from advertisex.analysis.performance.previous import previous_measures, previous_scope
from advertisex.analysis.performance.tables import count_rows, money_rows
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

DEFINITION = "performance/1"

#: The periods that performance can be broken down by.
PERIODS: tuple[Period, ...] = ("day", "week", "month")

_AMOUNTS = ("spend", "gross_revenue", "refunds", "revenue")
_FEEDS = ("impressions", "clicks", "bids")


def performance(store: EventStore, scope: Scope = Scope(), *, by: str | None = None) -> Answer:
    """Say what was delivered, spent and earned within the scope, and in the previous period.

    Args:
        store: the event store.
        scope: selects the events.
        by: the breakdown: `day`, `week`, `month`, `website`, `conversion_type`, or another text or flag field of
            impressions or the clicks feed, own fields among them. None gives totals only.

    Returns:
        Facts: impressions, clicks, conversions (i64), ctr and cvr with `_low` and `_high` (f64 or None); spend,
        gross_revenue, refunds and revenue by currency (Decimal); impressions_without_cost (i64); and `previous`, with
        impressions, clicks, conversions, spend and revenue of the previous period, or None. Table `rows`, with a
        breakdown only, and table `money`: see `count_rows` and `money_rows`; the key has the name of its column.
        `rows` also has `spend_CURRENCY` and `revenue_CURRENCY`. Table `sources`: source of costs, currency, events
        (what was charged, i64), spend.

    Raises:
        ConfigurationError: the scope is invalid, or no feed has the field of the breakdown.
        AnalysisError: the scope contains no events, or a sum of money may overflow.
    """
    scope = check_scope(scope, store, ["impressions", "clicks"])
    breakdown = breakdown_of(store, by, scope.zone, ["impressions"], PERIODS)
    own = measure(store, scope, breakdown)
    if not any(own.rows.values()) and own.spend.is_empty():
        raise AnalysisError("no events found", where=scope.text(), hint="widen the range, or process events first")
    previous = previous_measures(store, scope, breakdown, own)
    before = previous_scope(scope, breakdown)
    return Answer(
        question="performance",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, _FEEDS),
        computed_from=own.rows,
        parameters={
            "by": by,
            "previous": None if before is None else [before.since, before.until],
            "answer_window_seconds": ANSWER_WINDOW.total_seconds(),
            "confidence": CONFIDENCE,
        },
        lookback=ANSWER_WINDOW + _length_before(scope, before),
        facts=_facts(own, previous if breakdown.period is None else None),
        tables=_tables(own, previous, breakdown),
        charts=_charts(breakdown, own),
        notes=_notes(own),
    )


def _length_before(scope: Scope, before: Scope | None) -> timedelta:
    """How long before the scope the previous period begins."""
    if before is None or before.since is None or scope.since is None:
        return timedelta(0)
    return scope.since - before.since


def _facts(own: Measures, previous: Measures | None) -> dict[str, Any]:
    return _totals(own) | {
        "impressions_without_cost": own.without_cost,
        "previous": None
        if previous is None
        else {name: value for name, value in _totals(previous).items() if name in (*COUNTS, "spend", "revenue")},
    }


def _totals(measures: Measures) -> dict[str, Any]:
    """The counts, rates and amounts of all keys together."""
    whole = measures.in_total()
    money = money_rows(whole, None, all_keys=False)
    amounts = {
        name: {row["currency"] or "": row[name] for row in money.select("currency", name).to_dicts()}
        for name in _AMOUNTS
    }
    return count_rows(whole, None, all_keys=False).drop("key").row(0, named=True) | amounts


def _tables(own: Measures, previous: Measures | None, by: Breakdown) -> list[Table]:
    all_keys = by.period is None
    money = money_rows(own, previous, all_keys=all_keys)
    keys = () if by.column is None else (by.column,)
    tables = [
        Table("money", "Spend and revenue", by.named(money), (*keys, "currency")),
        Table("sources", "Sources of costs", _sources(own), ("source", "currency")),
    ]
    if by.column is None:
        return tables
    rows = count_rows(own, previous, all_keys=all_keys)
    for amount in ("spend", "revenue"):
        columns = _by_currency(money, amount)
        rows = rows.join(columns, on="key", how="left", nulls_equal=True, maintain_order="left")
    return [Table("rows", f"Performance by {by.column.replace('_', ' ')}", by.named(rows), keys), *tables]


def _by_currency(money: pl.DataFrame, amount: str) -> pl.DataFrame:
    """One column of an amount for each currency, like `money.by_currency`, without those that are 0 everywhere."""
    keys = money.select("key").unique()
    for currency in money.filter(pl.col(amount) != 0)["currency"].unique().sort(nulls_last=False):
        name = amount if currency is None else f"{amount}_{currency}"
        own = money.filter(pl.col("currency").eq_missing(pl.lit(currency, pl.String)))
        keys = keys.join(own.select("key", pl.col(amount).alias(name)), on="key", how="left", nulls_equal=True)
    return keys


def _sources(own: Measures) -> pl.DataFrame:
    """Spend by source and currency."""
    sums = own.spend.group_by("source", "currency").agg(pl.col("events", "charge").sum())
    sums = sums.sort("source", "currency", nulls_last=False)
    return sums.select(
        pl.col("source").cast(pl.String), "currency", "events", decimals(sums["charge"], COST).alias("spend")
    )


def _charts(by: Breakdown, own: Measures) -> list[Chart]:
    column = by.column
    if column is None:
        return []
    kind: Literal["line", "bar"] = "bar" if by.period is None else "line"
    currencies = own.spend["currency"].unique().sort(nulls_last=False)
    return [
        Chart("rows", kind, column, ("impressions", "clicks", "conversions"), "Impressions, clicks and conversions"),
        Chart("rows", kind, column, ("ctr", "cvr"), "CTR and CVR"),
        *(
            Chart(
                "money", kind, column, ("spend", "revenue"), "Spend and revenue",
                choice=currency or "no currency", only=("currency", currency),
            )
            for currency in currencies
        ),
    ]  # fmt: skip


def _notes(own: Measures) -> list[str]:
    notes = own.notes
    several = own.spend.group_by("key").agg(pl.col("currency").n_unique()).filter(pl.col("currency") > 1).height
    if several:
        notes.append(
            "Where the spend is in several currencies, CPM, CPC and CPA are left out: none would be the cost of all "
            "that was delivered."
        )
    return notes
