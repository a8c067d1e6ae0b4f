"""Reach: how many users saw an ad, how often, and the audience overlap of campaigns. User counts are exact.

A user with an impression is reached; the user's frequency is the number of impressions. Average frequency is
impressions divided by users. The overlap of two campaigns is the number of users reached by both.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.intervals import ratio
from advertisex.analysis.scan import categorical, scan_events
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

#: Version 2 takes the campaign from the catalogue as of the same time as the impressions.
DEFINITION = "reach/2"

_CAMPAIGNS = 2**32  # a user and a campaign are packed into one integer: user · 2³² + campaign
_SHARED = {"first": pl.Int64, "other": pl.Int64, "users": pl.Int64}
_REACHED = [
    pl.len().cast(pl.Int64).alias("users"),
    pl.col("frequency").sum().alias("impressions"),
    (pl.col("frequency") == 1).sum().cast(pl.Int64).alias("users_once"),
    pl.col("frequency").max().alias("max_frequency"),
]
_AVERAGE = ratio("impressions", "users", "average_frequency")


def reach(store: EventStore, scope: Scope = Scope()) -> Answer:
    """Count the users reached by impressions within the scope, and how often each was reached.

    Returns:
        Facts: users, impressions, users_once (reached exactly once), max_frequency (i64), average_frequency (f64).
        Table `campaigns`: campaign_id (null for impressions without a campaign) and the same columns. Table
        `frequency`: frequency, users (of that frequency), users_at_least (i64), share (of all users, f64). Table
        `campaign_frequency`: campaign_id, frequency, users, users_at_least, share (of the campaign's users). Table
        `overlap`: campaign_id, other_campaign_id, users (of both, i64), share (of the users of campaign_id, f64); only
        pairs with common users.

    Raises:
        ConfigurationError: the scope is invalid.
        AnalysisError: the scope contains no impressions.
    """
    scope = check_scope(scope, store, ["impressions"])
    codes = [categorical(column, pl.Categories.random()) for column in ("user_id", "campaign_id")]
    impressions = scan_events(store, "impressions", scope, *codes)
    if not impressions.height:
        raise AnalysisError(
            "no impressions found", where=scope.text(), hint="widen the range, or process impressions first"
        )
    names = impressions["campaign_id"].unique().cast(pl.String).sort(nulls_last=True)
    pairs = _pairs(impressions, names)
    users = pairs.group_by("user").agg(pl.col("frequency").sum())
    campaigns = pairs.group_by("campaign").agg(_REACHED).sort("campaign").with_columns(_AVERAGE)
    return Answer(
        question="reach",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["impressions"]),
        computed_from={"impressions": impressions.height},
        facts=users.select(_REACHED).with_columns(_AVERAGE).row(0, named=True),
        tables=[
            Table("campaigns", "Reach by campaign", _with_campaign(campaigns, names)),
            Table("frequency", "Frequency distribution", _frequencies(users)),
            Table(
                "campaign_frequency",
                "Frequency distribution by campaign",
                _with_campaign(_frequencies(pairs, "campaign"), names),
            ),
            Table("overlap", "Audience overlap between campaigns", _overlap(pairs, names)),
        ],
        charts=[
            Chart("campaigns", "bar", "campaign_id", ("users", "users_once"), "Users reached"),
            Chart("campaigns", "bar", "campaign_id", ("average_frequency",), "Average frequency"),
            Chart("frequency", "bar", "frequency", ("users",), "Frequency distribution"),
            Chart(
                "overlap",
                "heatmap",
                "other_campaign_id",
                ("campaign_id",),
                "Share of users reached by both campaigns",
                "share",
            ),
        ],
    )


def _pairs(impressions: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Compute the frequency of each user with each campaign: user, campaign, frequency (i64).

    To save memory, users and campaigns are integers: `campaign` is an index into `names`, `user` an arbitrary code.
    """
    numbers = pl.DataFrame({"campaign_id": names.cast(impressions["campaign_id"].dtype)}).with_row_index("campaign")
    numbered = impressions.join(numbers, on="campaign_id", nulls_equal=True)
    both = numbered.select(pl.col("user_id").to_physical().cast(pl.UInt64) * _CAMPAIGNS + pl.col("campaign"))
    runs = both.to_series().sort().rle().struct.unnest()
    return runs.select(
        user=pl.col("value") // _CAMPAIGNS,
        campaign=(pl.col("value") % _CAMPAIGNS).cast(pl.Int64),
        frequency=pl.col("len").cast(pl.Int64),
    )


def _with_campaign(rows: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Replace the campaign index by its name; the row order stays."""
    return rows.select(names[rows["campaign"]].alias("campaign_id"), pl.exclude("campaign"))


def _frequencies(reached: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Count the users with each frequency that occurs, and those with that frequency or more."""
    counted = reached.group_by(*keys, "frequency").agg(users=pl.len().cast(pl.Int64)).sort(*keys, "frequency")
    users = pl.col("users")
    at_least, share = users.cum_sum(reverse=True), users / users.sum()
    return counted.with_columns(
        users_at_least=at_least.over(keys) if keys else at_least, share=share.over(keys) if keys else share
    )


def _overlap(pairs: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
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
