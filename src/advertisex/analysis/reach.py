"""Reach: how many users saw an ad, how often, and whom campaigns reach together. Users are counted exactly.

A user is reached who has an impression; the user's frequency is the number of them. Average frequency is impressions
over users. The overlap of two campaigns is the number of users reached by both: with the incidence matrix A (a row for
each user, a column for each campaign, 1 where reached) the overlaps are the entries of AᵀA.
"""

import numpy as np
import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.intervals import ratio
from advertisex.analysis.lean import coded, scan_events
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

DEFINITION = "reach/1"

_CAMPAIGNS = 2**32  # a user and a campaign are held as one number: user · 2³² + campaign
_REACHED = [
    pl.len().cast(pl.Int64).alias("users"),
    pl.col("frequency").sum().alias("impressions"),
    (pl.col("frequency") == 1).sum().cast(pl.Int64).alias("users_once"),
    pl.col("frequency").max().alias("max_frequency"),
]
_AVERAGE = ratio("impressions", "users", "average_frequency")


def reach(store: EventStore, scope: Scope) -> Answer:
    """Count the users that impressions within the scope reached, and how often.

    Returns:
        Facts: users, impressions, users_once (reached exactly once), max_frequency (i64), average_frequency (f64).
        Table `campaigns`: campaign_id (null for impressions without a campaign) and the same columns. Table
        `frequency`: frequency, users (reached exactly so often), users_at_least (i64), share (of all users, f64). Table
        `campaign_frequency`: campaign_id, frequency, users, users_at_least, share (of the campaign's users). Table
        `overlap`: campaign_id, other_campaign_id, users (of both, i64), share (of the first one's users, f64); only
        pairs with users in both.

    Raises:
        AnalysisError: no impression is stored there.
    """
    codes = [coded(column, pl.Categories.random()) for column in ("user_id", "campaign_id")]
    seen = scan_events(store, "impressions", scope, *codes)
    if not seen.height:
        raise AnalysisError(
            "no impression is stored there", where=scope.text(), hint="widen the range, or process some first"
        )
    names = seen["campaign_id"].unique().cast(pl.String).sort(nulls_last=True)
    pairs = _pairs(seen, names)
    users = pairs.group_by("user").agg(pl.col("frequency").sum())
    campaigns = pairs.group_by("campaign").agg(_REACHED).sort("campaign").with_columns(_AVERAGE)
    return Answer(
        question="reach",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["impressions"]),
        computed_from={"impressions": seen.height},
        facts=users.select(_REACHED).with_columns(_AVERAGE).row(0, named=True),
        tables=[
            Table("campaigns", "Reach by campaign", _named(campaigns, names)),
            Table("frequency", "How often users were reached", _frequencies(users)),
            Table("campaign_frequency", "How often, by campaign", _named(_frequencies(pairs, "campaign"), names)),
            Table("overlap", "Users that campaigns share", _overlap(pairs, names)),
        ],
        charts=[
            Chart("campaigns", "bar", "campaign_id", ("users", "users_once"), "Users reached"),
            Chart("campaigns", "bar", "campaign_id", ("average_frequency",), "Average frequency"),
            Chart("frequency", "bar", "frequency", ("users",), "How often users were reached"),
            Chart("overlap", "heatmap", "other_campaign_id", ("campaign_id",), "Share of users in both", "share"),
        ],
    )


def _pairs(seen: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """The frequency of each user with each campaign: user, campaign, frequency (i64).

    Both are numbers that stand for them, so that millions of pairs take little: `campaign` is the place of its name,
    `user` any number of its own.
    """
    numbers = pl.DataFrame({"campaign_id": names.cast(seen["campaign_id"].dtype)}).with_row_index("campaign")
    numbered = seen.join(numbers, on="campaign_id", nulls_equal=True)
    both = numbered.select(pl.col("user_id").to_physical().cast(pl.UInt64) * _CAMPAIGNS + pl.col("campaign"))
    runs = both.to_series().sort().rle().struct.unnest()
    return runs.select(
        user=pl.col("value") // _CAMPAIGNS,
        campaign=(pl.col("value") % _CAMPAIGNS).cast(pl.Int64),
        frequency=pl.col("len").cast(pl.Int64),
    )


def _named(rows: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """The rows in their order, with the campaign's name in the place of its number."""
    return rows.select(names[rows["campaign"]].alias("campaign_id"), pl.exclude("campaign"))


def _frequencies(reached: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """How many users have each frequency that occurs, and how many that or more."""
    counted = reached.group_by(*keys, "frequency").agg(users=pl.len().cast(pl.Int64)).sort(*keys, "frequency")
    users = pl.col("users")
    at_least, share = users.cum_sum(reverse=True), users / users.sum()
    return counted.with_columns(
        users_at_least=at_least.over(keys) if keys else at_least, share=share.over(keys) if keys else share
    )


def _overlap(pairs: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """For each two campaigns the users of both, in both directions."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import, and only this needs it

    known = names.drop_nulls()  # the null is the last, so the numbers stay
    places = pairs.filter(pl.col("campaign") < len(known))
    at = (places["user"].to_numpy(), places["campaign"].to_numpy())
    shape = (int(pairs.select(pl.col("user").max()).item()) + 1, len(known))
    incidence = csr_array((np.ones(places.height, np.int64), at), shape=shape)
    shared = (incidence.T @ incidence).tocoo()
    found = pl.DataFrame({"first": shared.row, "other": shared.col, "users": shared.data}).sort("first", "other")
    is_own = pl.col("first") == pl.col(
        "other"
    )  # the diagonal: each campaign's own users, in the order of their numbers
    own, both = found.filter(is_own)["users"], found.filter(~is_own)
    return both.select(
        campaign_id=known[both["first"]],
        other_campaign_id=known[both["other"]],
        users="users",
        share=both["users"] / own[both["first"]],
    )
