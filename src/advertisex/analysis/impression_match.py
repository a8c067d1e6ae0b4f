"""Matches clicks and conversions to the impression they answer, from which they take creative, website and domain.

That is the user's latest impression of the same campaign at or before the row's time, at most 30 days before (both
inclusive). Ties go to the largest event id. The feeds carry no such link; all questions use this convention.
"""

from collections.abc import Iterable
from datetime import timedelta

import polars as pl

from advertisex.analysis.scan import compact

#: Maximum time between an impression and the click or conversion that is matched to it.
ANSWER_WINDOW = timedelta(days=30)

_KEY = ["user_id", "campaign_id"]


def match_impressions(rows: pl.DataFrame, impressions: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Match each row to the impression it answers.

    Args:
        rows: rows of the clicks feed, in any order: user_id, campaign_id, event_time, and any other columns.
        impressions: at least one frame of impressions, in any order: user_id, campaign_id, event_time, event_id, and
            any columns that the rows take from them. Impressions without a campaign never match.

    Returns:
        The rows in their original order, with the other columns of the impression, `answered_at` (its time, Datetime
        µs) and `answered_id` (its event_id); all null for rows without a match.
    """
    pairs = rows.select(_KEY).unique().with_row_index("pair")
    numbered = rows.with_row_index("row").join(pairs, on=_KEY, how="left").sort("event_time")
    return (
        numbered.join_asof(
            _in_order(impressions, pairs),
            on="event_time",
            by="pair",
            strategy="backward",
            tolerance=ANSWER_WINDOW,
            check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
        )
        .sort("row")
        .drop("row", "pair")
    )


def _in_order(impressions: Iterable[pl.DataFrame], pairs: pl.DataFrame) -> pl.DataFrame:
    """The impressions of these user-campaign pairs, sorted by time and event id: of equal times, the last matches."""
    of_pairs = (compact(frame.join(pairs, on=_KEY, how="inner").drop(_KEY)) for frame in impressions)
    rows = pl.concat(of_pairs).rename({"event_id": "answered_id"})
    return rows.sort("event_time", "answered_id").with_columns(answered_at="event_time")
