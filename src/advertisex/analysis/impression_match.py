"""Matches clicks and conversions to the impression they answer, from which they take creative, website and domain.

That is the user's latest impression of the same campaign at or before the row's time, at most 30 days before (both
inclusive). Ties go to the largest event id. The feeds carry no such link; all questions use this convention.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.scan import events
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore, Range

#: Maximum time between an impression and the click or conversion that is matched to it.
ANSWER_WINDOW = timedelta(days=30)

#: The columns that a row takes from its impression.
TAKEN = ("creative_id", "website", "domain")

_EARLIEST = datetime.min + ANSWER_WINDOW  # noqa: DTZ901 - naive UTC, like all times here
_KEY = ["user_id", "campaign_id"]


def match_impressions(rows: pl.DataFrame, impressions: pl.DataFrame) -> pl.DataFrame:
    """Match each row to the impression it answers.

    Args:
        rows: rows of the clicks feed, in any order: user_id, campaign_id, event_time, and any other columns.
        impressions: candidate impressions, in any order: user_id, campaign_id, event_time, event_id, and any columns
            that the rows take from them. Impressions without a campaign never match.

    Returns:
        The rows in their original order, with the other columns of the impression, `answered_at` (its time, Datetime
        µs) and `answered_id` (its event_id); all null for rows without a match.
    """
    pairs = rows.select(_KEY).unique().with_row_index("pair")
    numbered = rows.with_row_index("row").join(pairs, on=_KEY, how="left").sort("event_time")
    return (
        numbered.join_asof(
            _latest_of_each_time(impressions, pairs),
            on="event_time",
            by="pair",
            strategy="backward",
            tolerance=ANSWER_WINDOW,
            check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
        )
        .sort("row")
        .drop("row", "pair")
    )


def _latest_of_each_time(impressions: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The impressions of these user-campaign pairs, sorted by time, one for each pair and time."""
    return (
        impressions.join(pairs, on=_KEY, how="inner")
        .drop(_KEY)
        .rename({"event_id": "answered_id"})
        .sort("event_time", "answered_id")
        .unique(["pair", "event_time"], keep="last", maintain_order=True)
        .with_columns(answered_at="event_time")
    )


def matchable_impressions(
    store: EventStore, scope: Scope, rows: pl.DataFrame, columns: Sequence[str] = TAKEN
) -> pl.DataFrame:
    """Read only the impressions that the rows of a scope may match, to save memory.

    Args:
        store: the event store.
        scope: scope of the rows; impressions are read from 30 days before it.
        rows: rows of the clicks feed, with user_id.
        columns: columns that the rows take from the impressions.

    Returns:
        user_id, campaign_id, event_time, event_id and the requested columns, as `match_impressions` takes them.
    """
    since = None if scope.since is None else max(scope.since, _EARLIEST) - ANSWER_WINDOW
    users = rows["user_id"].unique().implode()
    keep = pl.col("campaign_id").is_not_null() & pl.col("user_id").is_in(users)
    if scope.campaign is not None:
        keep &= pl.col("campaign_id") == scope.campaign
    names = [*_KEY, "event_time", "event_id", *columns]
    return events(store, "impressions", names, Range(since, scope.until, scope.as_of), keep)
