"""Funnel: counts and users of bids, impressions, clicks and conversions, and the rates between them.

Bids and impressions are row counts; clicks and conversions are sums of the counts in the rows. A user counts once for
each step.

    ctr   clicks / impressions
    cvr   conversions / clicks

Both come with their 95 % Wilson score intervals, see `intervals`. By campaign, a row counts under its own campaign. By
creative or website, a click or conversion counts under the impression that it is matched to, see `match_impressions`.
By hour or day, each event counts at its own time.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, get_args

import polars as pl
import polars.selectors as cs

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import optional
from advertisex.analysis.impression_match import ANSWER_WINDOW, match_impressions
from advertisex.analysis.intervals import CONFIDENCE, rate
from advertisex.analysis.money import by_currency, totals_by_currency
from advertisex.analysis.scan import DAY, EVENT_ID, HOUR, categorical, scan_events, widened
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

DEFINITION = "funnel/1"

By = Literal["campaign_id", "creative_id", "website", "hour", "day"]

#: The key column of each breakdown. A website is identified by its registered domain, because it has many pages.
COLUMNS: dict[By, str] = {
    "campaign_id": "campaign_id",
    "creative_id": "creative_id",
    "website": "domain",
    "hour": "hour",
    "day": "day",
}

_USERS = {
    "bids": "bid_users",
    "impressions": "impression_users",
    "clicks": "click_users",
    "conversions": "conversion_users",
}
_RATES = [*rate("clicks", "impressions", "ctr"), *rate("conversions", "clicks", "cvr")]


def funnel(store: EventStore, scope: Scope = Scope(), *, by: By | None = None) -> Answer:
    """Count every step of the funnel within the scope.

    Args:
        store: the event store.
        scope: selects the events; a campaign applies to every feed.
        by: the breakdown; None gives totals only.

    Returns:
        Facts: bids, impressions, clicks, conversions and the distinct users of each (i64); ctr and cvr with `_low` and
        `_high` (f64 or None); value by currency (Decimal). Table `rows`, with a breakdown only: the key (`domain` for
        websites, null for events without one; Datetime for hour and day), the same columns, and `value_CURRENCY`.
        Table `steps`: step, count, users, and the rate from the previous step with its interval.

    Raises:
        ConfigurationError: the scope is invalid, or the breakdown is unknown.
        AnalysisError: the scope contains no events.
    """
    scope, by = check_scope(scope), optional(by, get_args(By), "by")
    clicked = _clicked(store, scope, by)
    counted: list[pl.DataFrame] = []
    totals: dict[str, int] = {}
    for step, rows in _steps(store, scope, by, clicked):
        counts = [pl.col("weight").sum().alias(step), pl.col("user_id").n_unique().cast(pl.Int64).alias(_USERS[step])]
        counted.append(rows.group_by("key").agg(counts).with_columns(cs.categorical().cast(pl.String)))
        totals |= rows.select(counts).row(0, named=True)
    read = {"bids": totals["bids"], "impressions": totals["impressions"], "clicks": clicked.height}
    if not any(read.values()):
        raise AnalysisError("no events found", where=scope.text(), hint="widen the range, or process events first")
    whole = _with_rates(pl.DataFrame(totals))
    steps = Table("steps", "Funnel by step", _step_by_step(whole))
    return Answer(
        question="funnel",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, list(read)),
        computed_from=read,
        parameters={"by": by, "answer_window_seconds": ANSWER_WINDOW.total_seconds(), "confidence": CONFIDENCE},
        facts=whole.row(0, named=True) | {"value": totals_by_currency(clicked)},
        tables=[steps]
        if by is None
        else [Table("rows", "Funnel by " + COLUMNS[by], _by_key(counted, clicked, by)), steps],
        charts=_charts(by),
    )


def _clicked(store: EventStore, scope: Scope, by: By | None) -> pl.DataFrame:
    """Read the rows of the clicks feed with their key; rows without a conversion have no value."""
    users, campaigns = pl.Categories.random(), pl.Categories.random()
    who = [categorical("user_id", users), categorical("campaign_id", campaigns), pl.col("event_time")]
    rows = scan_events(store, "clicks", scope, *who, *map(pl.col, ("clicks", "conversions", "value", "currency")))
    if by in ("creative_id", "website"):
        before = replace(widened(scope, before=ANSWER_WINDOW), campaign=scope.campaign)
        taken = categorical(COLUMNS[by], pl.Categories.random())
        has_campaign = pl.col("campaign_id").is_not_null()
        rows = match_impressions(
            rows, scan_events(store, "impressions", before, *who, EVENT_ID, taken, keep=has_campaign)
        )
    return rows.with_columns(key=_key(by), value=pl.when(pl.col("conversions") > 0).then("value"))


def _steps(store: EventStore, scope: Scope, by: By | None, clicked: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of each step: user_id, key, weight. One feed at a time, to save memory."""
    one = pl.lit(1, pl.Int64).alias("weight")
    for feed in ("bids", "impressions"):
        users, keys = (pl.Categories.random() for _ in range(2))
        yield feed, scan_events(store, feed, scope, categorical("user_id", users), _key(by, keys).alias("key"), one)
    for step in ("clicks", "conversions"):
        yield step, clicked.filter(pl.col(step) > 0).select("user_id", "key", weight=step)


def _key(by: By | None, codes: pl.Categories | None = None) -> pl.Expr:
    match by:
        case None:
            return pl.lit(None, pl.String)
        case "hour" | "day":
            return HOUR if by == "hour" else DAY
        case _:
            return pl.col(COLUMNS[by]).cast(pl.String) if codes is None else categorical(COLUMNS[by], codes)


def _by_key(counted: list[pl.DataFrame], clicked: pl.DataFrame, by: By) -> pl.DataFrame:
    """Join the steps by key; a step without rows for a key counts 0."""
    sums = pl.concat(counted, how="diagonal").group_by("key").agg(pl.all().sum()).sort("key", nulls_last=True)
    value = by_currency(clicked, ["key"])
    joined = _with_rates(sums).join(value, on="key", how="left", nulls_equal=True, maintain_order="left")
    return joined.rename({"key": COLUMNS[by]})


def _with_rates(counts: pl.DataFrame) -> pl.DataFrame:
    key = [name for name in counts.columns if name == "key"]
    return counts.select(*key, *_USERS, *_USERS.values(), *_RATES)


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


def _charts(by: By | None) -> list[Chart]:
    whole = Chart("steps", "bar", "step", ("count", "users"), "Funnel by step")
    if by is None:
        return [whole]
    kind: Literal["line", "bar"] = "line" if by in ("hour", "day") else "bar"
    return [
        Chart("rows", kind, COLUMNS[by], ("bids", "impressions"), "Bids and impressions"),
        Chart("rows", kind, COLUMNS[by], ("clicks", "conversions"), "Clicks and conversions"),
        Chart("rows", kind, COLUMNS[by], ("ctr", "cvr"), "CTR and CVR"),
        whole,
    ]
