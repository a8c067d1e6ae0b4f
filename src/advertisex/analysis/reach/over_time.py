"""Reach over time: the users of each day, week, month or flight, each of them counted once in it."""

from datetime import datetime

import polars as pl

from advertisex.analysis.reach.measures import AVERAGE, REACHED
from advertisex.stores.contract import EventStore

_FREQUENCY = pl.len().cast(pl.Int64).alias("frequency")
_FLIGHT = ["campaign_id", "start", "end"]


def by_period(impressions: pl.DataFrame, name: str) -> pl.DataFrame:
    """Count the users reached in each period, and those who were reached for the first time.

    Args:
        impressions: user_id, and the period in a column of its name.
        name: name of the period.

    Returns:
        The period, users, impressions, users_once, max_frequency (i64), average_frequency (f64), new_users: reached in
        no earlier period, and users_so_far: reached in it or an earlier one (i64); ordered by period.
    """
    of_users = impressions.group_by(name, "user_id").agg(_FREQUENCY)
    firsts = of_users.group_by("user_id").agg(pl.col(name).min())
    new = firsts.group_by(name).agg(new_users=pl.len().cast(pl.Int64))
    return (
        of_users.group_by(name)
        .agg(REACHED)
        .join(new, on=name, how="left")
        .sort(name)
        .with_columns(AVERAGE, pl.col("new_users").fill_null(0))
        .select(pl.exclude("new_users"), "new_users", users_so_far=pl.col("new_users").cum_sum())
    )


def by_flight(store: EventStore, impressions: pl.DataFrame, as_of: datetime | None) -> pl.DataFrame:
    """Count the users reached in each flight of each campaign, its start included and its end excluded.

    Args:
        store: the event store; flights are those of its catalogue as of the time of the question.
        impressions: user_id, campaign_id, event_time.
        as_of: the time that the question is answered as of.

    Returns:
        campaign_id, start and end (Datetime; null for the impressions of a campaign that are in none of its flights),
        users, impressions, users_once, max_frequency (i64), average_frequency (f64); flights with impressions only.
    """
    dtype = impressions.schema["campaign_id"]
    flights = store.campaigns(as_of).select(pl.col("campaign_id").cast(dtype), "start", "end").sort("start")
    placed = impressions.sort("event_time").join_asof(
        flights,
        left_on="event_time",
        right_on="start",
        by="campaign_id",
        strategy="backward",
        coalesce=False,
        check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
    )
    is_inside = pl.col("event_time") < pl.col("end")
    of_users = (
        placed.select("user_id", "campaign_id", pl.when(is_inside).then(pl.col("start", "end")))
        .group_by(*_FLIGHT, "user_id")
        .agg(_FREQUENCY)
    )
    return (
        of_users.group_by(_FLIGHT)
        .agg(REACHED)
        .with_columns(pl.col("campaign_id").cast(pl.String), AVERAGE)
        .sort(_FLIGHT, nulls_last=True)
    )
