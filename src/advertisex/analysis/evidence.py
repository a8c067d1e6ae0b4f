"""The clicks and impressions that the quality checks examine, read once for all checks."""

from dataclasses import dataclass, replace

import polars as pl

from advertisex.analysis.impression_match import ANSWER_WINDOW, match_impressions
from advertisex.analysis.scan import EVENT_ID, categorical, scan_events, widened
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore


@dataclass(frozen=True, slots=True)
class Traffic:
    """Clicks and impressions within a scope, in no particular order.

    All frames have user_id, campaign_id, user_agent (Categorical), event_time (Datetime µs) and event_id (UInt128, see
    `EVENT_ID`).

    Attributes:
        rows: all rows of the clicks feed, with number (Int64: clicks of the row).
        clicks: the rows with at least one click, also with answered_at and answered_id of `match_impressions`.
        impressions: the impressions, with domain (Categorical).
    """

    rows: pl.DataFrame
    clicks: pl.DataFrame
    impressions: pl.DataFrame


def gather(store: EventStore, scope: Scope) -> Traffic:
    """Read the clicks and impressions of a scope."""
    names = ("user_id", "campaign_id", "user_agent")
    columns = [*(categorical(name, pl.Categories.random()) for name in names), pl.col("event_time"), EVENT_ID]
    rows = scan_events(store, "clicks", scope, *columns, pl.col("clicks").alias("number"))
    clicks = rows.filter(pl.col("number") > 0)
    before = replace(widened(scope, before=ANSWER_WINDOW), campaign=scope.campaign)
    impressions = scan_events(store, "impressions", before, *columns, categorical("domain", pl.Categories.random()))
    of_clickers = pl.col("campaign_id").is_not_null() & pl.col("user_id").is_in(clicks["user_id"].unique().implode())
    may_be_answered = impressions.lazy().filter(of_clickers).select("user_id", "campaign_id", "event_time", "event_id")
    clicks = match_impressions(clicks, may_be_answered.collect())
    in_scope = True if scope.since is None else pl.col("event_time") >= scope.since
    return Traffic(rows, clicks, impressions.filter(in_scope))
