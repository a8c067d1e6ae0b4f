"""Funnel: counts and users of bids, impressions, clicks and conversions, and the rates between them.

Bids and impressions are row counts; clicks and conversions are sums of the counts in the rows. A user counts once for
each step.

    ctr        clicks / impressions
    cvr        conversions / clicks
    click_cvr  click_conversions / clicks: only conversions of users who clicked at most 30 days before

A click of any campaign counts for `click_cvr`, as a touch does in attribution and journeys by default, and a click that
converted counts for itself. All come with their 95 % Wilson score intervals, see `intervals`. By a field of its own,
such as the campaign, a row counts under its own value; by a field that the clicks feed does not have, such as the
creative, a click, conversion or refund counts under the impression that it is matched to, see `keys`; by a field that
only the clicks feed has, bids and impressions count under null. By hour, day, week or month, each event counts at its
own time.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import polars as pl
import polars.selectors as cs

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.breakdown import Breakdown, breakdown_of
from advertisex.analysis.impression_match import ANSWER_WINDOW, match_impressions
from advertisex.analysis.intervals import CONFIDENCE, rate
from advertisex.analysis.money import GROSS, NET, by_currency, totals_by_currency
from advertisex.analysis.scan import EVENT_ID, categorical, scan_events, scan_frames, widened
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

#: Version 3 adds the conversions after a click.
DEFINITION = "funnel/3"

#: How long before a conversion a click counts for `click_cvr`, inclusive.
CLICK_WINDOW = timedelta(days=30)

_USERS = {
    "bids": "bid_users",
    "impressions": "impression_users",
    "clicks": "click_users",
    "conversions": "conversion_users",
}
_AMOUNTS = ("value", "gross_value")
_RATES = [
    *rate("clicks", "impressions", "ctr"),
    *rate("conversions", "clicks", "cvr"),
    *rate("click_conversions", "clicks", "click_cvr"),
]


def funnel(store: EventStore, scope: Scope = Scope(), *, by: str | None = None) -> Answer:
    """Count every step of the funnel within the scope.

    Args:
        store: the event store.
        scope: selects the events; a campaign applies to every feed.
        by: the breakdown: `hour`, `day`, `week`, `month`, `website`, `conversion_type`, or another text or flag field
            of impressions and bids or of the clicks feed, own fields among them. None gives totals only.

    Returns:
        Facts: bids, impressions, clicks, conversions, click_conversions (after a click), and the distinct users of each
        step (i64); ctr, cvr and click_cvr with `_low` and `_high` (f64 or None); value (of conversions, less refunds)
        and gross_value (of conversions) by currency (Decimal). Table `rows`, with a breakdown only: the key (`domain`
        for websites, null for events without one; Datetime for an hour, Date for a day, week or month), the same
        columns, `value_CURRENCY` and `gross_value_CURRENCY`. Table `steps`: step, count, users, and the rate from the
        previous step with its interval.

    Raises:
        ConfigurationError: the scope is invalid, or a feed does not have the field of the breakdown.
        AnalysisError: the scope contains no events.
    """
    scope = check_scope(scope, store)
    breakdown = breakdown_of(store, by, scope.zone, ["impressions", "bids"])
    clicked = _clicked(store, scope, breakdown)
    counted: list[pl.DataFrame] = []
    totals: dict[str, int] = {}
    for step, rows in _steps(store, scope, breakdown, clicked):
        counts = [pl.col("weight").sum().alias(step), pl.col("user_id").n_unique().cast(pl.Int64).alias(_USERS[step])]
        counted.append(rows.group_by("key").agg(counts).with_columns(cs.categorical().cast(pl.String)))
        totals |= rows.select(counts).row(0, named=True)
    after_click = clicked.filter(pl.col("click_conversions") > 0).select("key", "click_conversions")
    counted.append(after_click.group_by("key").agg(pl.all().sum()))
    totals["click_conversions"] = int(after_click["click_conversions"].sum())
    read = {"bids": totals["bids"], "impressions": totals["impressions"], "clicks": clicked.height}
    if not any(read.values()):
        raise AnalysisError("no events found", where=scope.text(), hint="widen the range, or process events first")
    whole = _with_rates(pl.DataFrame(totals))
    tables = [Table("steps", "Funnel by step", _step_by_step(whole))]
    if (column := breakdown.column) is not None:
        rows = _by_key(counted, clicked, breakdown)
        tables.insert(0, Table("rows", f"Funnel by {column.replace('_', ' ')}", rows))
    return Answer(
        question="funnel",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, list(read)),
        computed_from=read,
        parameters={
            "by": by,
            "answer_window_seconds": ANSWER_WINDOW.total_seconds(),
            "click_window_seconds": CLICK_WINDOW.total_seconds(),
            "confidence": CONFIDENCE,
        },
        lookback=max(CLICK_WINDOW, ANSWER_WINDOW if breakdown.is_matched else timedelta(0)),
        facts=whole.row(0, named=True) | {amount: totals_by_currency(clicked, amount) for amount in _AMOUNTS},
        tables=tables,
        charts=_charts(breakdown),
    )


def _clicked(store: EventStore, scope: Scope, by: Breakdown) -> pl.DataFrame:
    """Read the rows of the clicks feed with their key, value and gross value; both are null without a conversion.

    `click_conversions` are the conversions of a row if they follow a click, else 0.
    """
    users, campaigns = pl.Categories.random(), pl.Categories.random()
    who = [categorical("user_id", users), categorical("campaign_id", campaigns), pl.col("event_time")]
    columns = [*who, *map(pl.col, ("clicks", "conversions", "currency")), NET, GROSS]
    if not by.is_matched:
        rows = scan_events(store, "clicks", scope, *columns, by.of("clicks"))
        return _after_click(store, scope, rows, who[0])
    rows = _after_click(store, scope, scan_events(store, "clicks", scope, *columns), who[0])
    before = replace(widened(scope, before=ANSWER_WINDOW), campaign=scope.campaign)
    taken = _key(by, "impressions")
    rows = match_impressions(rows, scan_frames(store, "impressions", before, *who, EVENT_ID, taken))
    return rows.with_columns(pl.col("key").cast(pl.String))


def _after_click(store: EventStore, scope: Scope, rows: pl.DataFrame, user: pl.Expr) -> pl.DataFrame:
    """Add `click_conversions`; reads the clicks of all campaigns, also from before the scope."""
    clicks = scan_events(
        store,
        "clicks",
        widened(scope, before=CLICK_WINDOW),
        user,
        pl.col("event_time"),
        pl.lit(value=True).alias("clicked"),
        keep=pl.col("clicks") > 0,
    )
    return (
        rows.sort("event_time")
        .join_asof(
            clicks.sort("event_time"),
            on="event_time",
            by="user_id",
            strategy="backward",
            tolerance=CLICK_WINDOW,
            check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
        )
        .with_columns(click_conversions=pl.when("clicked").then("conversions").otherwise(0))
        .drop("clicked")
    )


def _steps(store: EventStore, scope: Scope, by: Breakdown, clicked: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of each step: user_id, key, weight. One feed at a time, to save memory."""
    one = pl.lit(1, pl.Int64).alias("weight")
    for feed in ("bids", "impressions"):
        users = categorical("user_id", pl.Categories.random())
        yield feed, scan_events(store, feed, scope, users, _key(by, feed), one)
    for step in ("clicks", "conversions"):
        yield step, clicked.filter(pl.col(step) > 0).select("user_id", "key", weight=step)


def _key(by: Breakdown, feed: str) -> pl.Expr:
    """The key of an event; a text as categorical codes, to save memory."""
    key = by.of(feed)
    return key if by.period is not None else key.cast(pl.Categorical(pl.Categories.random()))


def _by_key(counted: list[pl.DataFrame], clicked: pl.DataFrame, by: Breakdown) -> pl.DataFrame:
    """Join the steps by key; a step without rows for a key counts 0, and a refund alone makes a row too."""
    refunded = clicked.filter(pl.col("value") < 0).select("key").unique()
    sums = pl.concat([*counted, refunded], how="diagonal").group_by("key").agg(pl.all().sum())
    joined = _with_rates(sums.sort("key", nulls_last=True))
    for amount in _AMOUNTS:
        money = by_currency(clicked, ["key"], amount)
        joined = joined.join(money, on="key", how="left", nulls_equal=True, maintain_order="left")
    return by.named(joined)


def _with_rates(counts: pl.DataFrame) -> pl.DataFrame:
    key = [name for name in counts.columns if name == "key"]
    return counts.select(*key, *_USERS, "click_conversions", *_USERS.values(), *_RATES)


def _step_by_step(whole: pl.DataFrame) -> pl.DataFrame:
    """One row for each step. Impressions have no rate: other bidders win auctions too."""
    found = whole.row(0, named=True)
    rates = {"clicks": "ctr", "conversions": "cvr"}
    return pl.DataFrame(
        [
            {
                "step": step,
                "count": found[step],
                "users": found[users],
                "rate": found.get(rates.get(step, "")),
                "rate_low": found.get(f"{rates.get(step)}_low"),
                "rate_high": found.get(f"{rates.get(step)}_high"),
            }
            for step, users in _USERS.items()
        ],
        schema_overrides=dict.fromkeys(("rate", "rate_low", "rate_high"), pl.Float64),
    )


def _charts(by: Breakdown) -> list[Chart]:
    whole = [
        Chart("steps", "funnel", "step", ("count", "rate"), "Events by step"),
        Chart("steps", "funnel", "step", ("users",), "Users by step"),
    ]
    column = by.column
    if column is None:
        return whole
    kind: Literal["line", "bar"] = "bar" if by.period is None else "line"
    return [
        Chart("rows", kind, column, ("bids", "impressions"), "Bids and impressions"),
        Chart("rows", kind, column, ("clicks", "conversions"), "Clicks and conversions"),
        Chart("rows", kind, column, ("ctr", "cvr", "click_cvr"), "CTR and CVR"),
        *whole,
    ]
