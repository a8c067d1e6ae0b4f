"""Reach over time: the users of each day, week, month or flight, each of them counted once in it."""

import polars as pl

from advertisex.analysis.flights import Flights
from advertisex.analysis.reach.measures import AVERAGE, REACHED, frequencies

_FREQUENCY = pl.len().cast(pl.Int64).alias("frequency")


def by_period(impressions: pl.DataFrame, name: str) -> pl.DataFrame:
    """Count the users reached in each period, and those who were reached for the first time.

    Args:
        impressions: user_id (Categorical), and the period in a column of its name (Date).
        name: name of the period.

    Returns:
        The period, users, impressions, users_once, max_frequency (i64), average_frequency (f64), new_users: reached in
        no earlier period, and users_so_far: reached in it or an earlier one (i64); ordered by period.
    """
    day, first = pl.col(name).to_physical(), impressions[name].to_physical().min()
    of_users = frequencies(pl.col("user_id"), day - first, impressions)
    is_new = pl.col("user") != pl.col("user").shift()
    new = of_users.filter(is_new.fill_null(value=True)).group_by("group").agg(new_users=pl.len().cast(pl.Int64))
    return (
        of_users.group_by("group")
        .agg(REACHED)
        .join(new, on="group", how="left")
        .sort("group")
        .with_columns(AVERAGE, pl.col("new_users").fill_null(0))
        .select(
            (pl.col("group") + first).cast(pl.Int32).cast(pl.Date).alias(name),
            pl.exclude("group", "new_users"),
            "new_users",
            users_so_far=pl.col("new_users").cum_sum(),
        )
    )


def by_flight(flights: Flights, impressions: pl.DataFrame) -> pl.DataFrame:
    """Count the users reached in each flight of each campaign, its start included and its end excluded.

    Args:
        flights: the flights of the catalogue.
        impressions: user_id, campaign_id, event_time.

    Returns:
        campaign_id, start and end (Datetime; null for the impressions of a campaign that are in none of its flights),
        users, impressions, users_once, max_frequency (i64), average_frequency (f64); flights with impressions only.
    """
    placed = flights.join(impressions, "start", "end")
    of_users = placed.group_by("campaign_id", "flight_start", "flight_end", "user_id").agg(_FREQUENCY)
    return (
        of_users.group_by("campaign_id", start="flight_start", end="flight_end")
        .agg(REACHED)
        .with_columns(pl.col("campaign_id").cast(pl.String), AVERAGE)
        .sort("campaign_id", "start", nulls_last=True)
    )
