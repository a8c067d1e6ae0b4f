"""Reach: how many users saw an ad, how often, when, the audience overlap of campaigns, and conversions by frequency.

A user with an impression is reached; the user's frequency is the number of impressions. Average frequency is
impressions divided by users. The overlap of two campaigns is the number of users reached by both. A user counts once in
each period. All user counts are exact. Conversions by frequency: see `converted`.
"""

from dataclasses import replace
from typing import Literal, get_args

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import optional
from advertisex.analysis.calendar import Period, period
from advertisex.analysis.flights import flights_of
from advertisex.analysis.intervals import CONFIDENCE, share
from advertisex.analysis.reach.converted import converted_by_frequency
from advertisex.analysis.reach.measures import AVERAGE, REACHED, frequencies
from advertisex.analysis.reach.over_time import by_flight, by_period
from advertisex.analysis.reach.overlap import overlap
from advertisex.analysis.scan import categorical, scan_events
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

#: Version 3 adds conversions by frequency, and reads the clicks feed for them.
DEFINITION = "reach/3"

#: The breakdowns over time.
Over = Literal["day", "week", "month", "flight"]
OVER: tuple[Over, ...] = get_args(Over)

_PERIODS: dict[Over, Period] = {"day": "day", "week": "week", "month": "month"}


def reach(store: EventStore, scope: Scope = Scope(), *, by: Over | None = None) -> Answer:
    """Count the users reached by impressions within the scope, how often each was reached, and who converted.

    Args:
        store: the event store.
        scope: selects the impressions; its range, campaign and `as_of` apply to conversions too.
        by: also count the users of each `day`, `week`, `month`, or `flight` of the catalogue's campaigns.

    Returns:
        Facts: users, impressions, users_once (reached exactly once), max_frequency (i64), average_frequency (f64),
        converters: users with a conversion at or after their first impression, and converted_before: users whose first
        conversion is before it (i64). Tables:
        `periods`, or `flights`, the main table with a breakdown: see `over_time`;
        `campaigns`: campaign_id (null for impressions without a campaign), and users to average_frequency;
        `frequency`: frequency, users (of that frequency), users_at_least (i64), share (of all users, f64);
        `campaign_frequency`: campaign_id, frequency, users, users_at_least, share (of the campaign's users);
        `converted`: see `converted`;
        `overlap`: campaign_id, other_campaign_id, users (of both, i64), share (of the users of campaign_id, f64); only
        pairs with common users.

    Raises:
        ConfigurationError: the scope or the breakdown is invalid.
        AnalysisError: the scope contains no impressions.
    """
    scope, by = check_scope(scope, store, ["impressions"]), optional(by, OVER, "by (--by)")
    people = pl.Categories.random()
    who, time = categorical("user_id", people), pl.col("event_time")
    when = [period(_PERIODS[by], scope.zone)] if by in _PERIODS else []
    impressions = scan_events(
        store, "impressions", scope, who, categorical("campaign_id", pl.Categories.random()), time, *when
    )
    if not impressions.height:
        raise AnalysisError(
            "no impressions found", where=scope.text(), hint="widen the range, or process impressions first"
        )
    conversions = scan_events(store, "clicks", replace(scope, where={}), who, time, keep=pl.col("conversions") > 0)
    conversions = conversions.join(impressions, on="user_id", how="semi")
    names = impressions["campaign_id"].unique().cast(pl.String).sort(nulls_last=True)
    pairs = _pairs(impressions, names)
    users = pairs.group_by("user").agg(pl.col("frequency").sum())
    campaigns = pairs.group_by("campaign").agg(REACHED).sort("campaign").with_columns(AVERAGE)
    converted = converted_by_frequency(impressions, conversions)
    reached = users.select(REACHED).with_columns(AVERAGE).row(0, named=True)
    tables, charts = _over_time(store, impressions, by, scope)
    return Answer(
        question="reach",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["impressions", "clicks"]),
        computed_from={"impressions": impressions.height, "clicks": conversions.height},
        parameters={"by": by, "confidence": CONFIDENCE},
        facts=reached
        | {
            "converters": converted["converters"].sum(),
            "converted_before": reached["users"] - converted["users"].sum(),
        },
        tables=[
            *tables,
            Table("campaigns", "Reach by campaign", _with_campaign(campaigns, names)),
            Table("frequency", "Frequency distribution", _frequencies(users)),
            Table(
                "campaign_frequency",
                "Frequency distribution by campaign",
                _with_campaign(_frequencies(pairs, "campaign"), names),
            ),
            Table("converted", "Conversions by number of impressions", converted),
            Table("overlap", "Audience overlap between campaigns", overlap(pairs, names)),
        ],
        charts=[*charts, *_CHARTS],
    )


_CHARTS = [
    Chart("campaigns", "bar", "campaign_id", ("users", "users_once"), "Users reached"),
    Chart("campaigns", "bar", "campaign_id", ("average_frequency",), "Average frequency"),
    Chart("frequency", "bar", "frequency", ("users",), "Frequency distribution"),
    Chart("converted", "bar", "impressions", ("users", "converters"), "Users and converters by number of impressions"),
    Chart("converted", "line", "impressions", ("conversion_rate", "marginal_rate"), "Conversion rate by impressions"),
    Chart(
        "overlap", "heatmap", "other_campaign_id", ("campaign_id",), "Share of users reached by both campaigns", "share"
    ),
]


def _over_time(
    store: EventStore, impressions: pl.DataFrame, by: Over | None, scope: Scope
) -> tuple[list[Table], list[Chart]]:
    """The table and the charts of the breakdown; none without one."""
    if by is None:
        return [], []
    if by == "flight":
        return [Table("flights", "Reach by flight", by_flight(flights_of(store, scope), impressions))], []
    return [Table("periods", f"Reach by {by}", by_period(impressions, by))], [
        Chart("periods", "line", by, ("users", "new_users"), f"Users reached by {by}"),
        Chart("periods", "line", by, ("users_so_far",), "Users reached so far"),
        Chart("periods", "line", by, ("average_frequency",), f"Average frequency by {by}"),
    ]


def _pairs(impressions: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Compute the frequency of each user with each campaign: user, campaign, frequency (i64).

    To save memory, users and campaigns are integers: `campaign` is an index into `names`, `user` an arbitrary code.
    """
    numbers = pl.DataFrame({"campaign_id": names.cast(impressions["campaign_id"].dtype)}).with_row_index("campaign")
    numbered = impressions.join(numbers, on="campaign_id", nulls_equal=True)
    return frequencies(pl.col("user_id"), pl.col("campaign"), numbered).rename({"group": "campaign"})


def _with_campaign(rows: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Replace the campaign index by its name; the row order stays."""
    return rows.select(names[rows["campaign"]].alias("campaign_id"), pl.exclude("campaign"))


def _frequencies(reached: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Count the users with each frequency that occurs, and those with that frequency or more."""
    counted = reached.group_by(*keys, "frequency").agg(users=pl.len().cast(pl.Int64)).sort(*keys, "frequency")
    users = pl.col("users")
    at_least, of_all = users.cum_sum(reverse=True), share(users, users.sum())
    return counted.with_columns(
        users_at_least=at_least.over(keys) if keys else at_least, share=of_all.over(keys) if keys else of_all
    )
