"""Overlap: the users that campaigns have in common."""

import numpy as np
import numpy.typing as npt
import polars as pl

_SHARED = {"first": pl.Int64, "other": pl.Int64, "users": pl.Int64}


def overlap(pairs: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Count the common users of each pair of campaigns, in both directions."""
    campaigns = names.drop_nulls()  # null is last, so the indices stay valid
    cells = pairs.filter(pl.col("campaign") < len(campaigns))
    own = cells.group_by("campaign").agg(own=pl.len())
    one_way = _common_users(cells["user"].to_numpy(), cells["campaign"].to_numpy())
    other_way = one_way.select(first="other", other="first", users="users")
    both = pl.concat([one_way, other_way]).join(own, left_on="first", right_on="campaign").sort("first", "other")
    return both.select(
        campaign_id=campaigns[both["first"]],
        other_campaign_id=campaigns[both["other"]],
        users="users",
        share=pl.col("users") / pl.col("own"),
    )


def _common_users(users: npt.NDArray[np.uint64], campaigns: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Count the common users of each pair of campaigns, the smaller one first.

    Rows of one user lie together, in ascending order of the campaign. So the other campaigns of a row are those of
    the rows after it, up to the last one of its user.

    Returns:
        first, other, users (i64), in no order.
    """
    ends = np.searchsorted(users, users, side="right")
    by_campaign = np.argsort(campaigns, kind="stable")
    counted = [pl.DataFrame(schema=_SHARED)]
    for rows in np.split(by_campaign, np.flatnonzero(np.diff(campaigns[by_campaign])) + 1):
        lengths = ends[rows] - rows - 1
        begins = np.repeat(rows + 1 - np.cumsum(lengths) + lengths, lengths)
        common = np.bincount(campaigns[begins + np.arange(len(begins))])
        others = np.flatnonzero(common)
        if len(others):
            pair = {"first": campaigns[rows[0]], "other": others, "users": common[others]}
            counted.append(pl.DataFrame(pair, schema=_SHARED))
    return pl.concat(counted)
