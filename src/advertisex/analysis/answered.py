"""The impression that a click or a conversion answers: from it they take creative, website and domain.

It is the user's latest impression of the same campaign at or before the row's time, at most 30 days before (both
inclusive); among several at that very time, the one with the largest event id. No feed sends such a link: this is the
convention by which one is made, the same for every question.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.events import events
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore, Range

#: How long before a click or a conversion the impression may lie that it answers.
ANSWER_WINDOW = timedelta(days=30)

#: What a row takes from the impression.
TAKEN = ("creative_id", "website", "domain")

_EARLIEST = datetime.min + ANSWER_WINDOW  # noqa: DTZ901 - UTC without a zone, as all times here
_KEY = ["user_id", "campaign_id"]


def match_impressions(rows: pl.DataFrame, impressions: pl.DataFrame) -> pl.DataFrame:
    """Find the impression that each row answers.

    Args:
        rows: of the clicks feed, in any order: user_id, campaign_id, event_time, and what else they have.
        impressions: those that may be answered, in any order: user_id, campaign_id, event_time, event_id, and any
            columns that rows are to take from them. Those without a campaign are answered by nobody.

    Returns:
        The rows in their order, with the impressions' other columns, `answered_at` (its time, Datetime µs) and
        `answered_id` (its event_id, Binary); all null where there is none.
    """
    pairs = rows.select(_KEY).unique().with_row_index("pair")
    asked = rows.with_row_index("row").join(pairs, on=_KEY, how="left").sort("event_time")
    return (
        asked.join_asof(
            _latest_of_each_time(impressions, pairs),
            on="event_time",
            by="pair",
            strategy="backward",
            tolerance=ANSWER_WINDOW,
            check_sortedness=False,  # both are sorted; with groups it cannot tell, and warns
        )
        .sort("row")
        .drop("row", "pair")
    )


def _latest_of_each_time(impressions: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The impressions of these pairs of user and campaign by time, one for each pair and time."""
    return (
        impressions.join(pairs, on=_KEY, how="inner")
        .drop(_KEY)
        .rename({"event_id": "answered_id"})
        .sort("event_time", "answered_id")
        .unique(["pair", "event_time"], keep="last", maintain_order=True)
        .with_columns(answered_at="event_time")
    )


def answerable(store: EventStore, scope: Scope, rows: pl.DataFrame, columns: Sequence[str] = TAKEN) -> pl.DataFrame:
    """Read the impressions that rows of a scope may answer, and no others, so that it takes no more memory than needed.

    Args:
        store: where they are.
        scope: of the rows: impressions are looked for from 30 days before it.
        rows: of the clicks feed: user_id.
        columns: of the impressions that rows are to take.

    Returns:
        user_id, campaign_id, event_time, event_id and the columns asked for, as `answered` takes them.
    """
    since = None if scope.since is None else max(scope.since, _EARLIEST) - ANSWER_WINDOW
    users = rows["user_id"].unique().implode()
    keep = pl.col("campaign_id").is_not_null() & pl.col("user_id").is_in(users)
    if scope.campaign is not None:
        keep &= pl.col("campaign_id") == scope.campaign
    names = [*_KEY, "event_time", "event_id", *columns]
    return events(store, "impressions", names, Range(since, scope.until, scope.as_of), keep)
