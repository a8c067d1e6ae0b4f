"""Conversions by frequency: what one more impression is worth, to choose a frequency cap.

A user's impressions before converting are those at or before the user's first conversion; all, if the user did not
convert. The users are followed from impression to impression: of those who saw an nth one, not having converted
before, some convert before the next. Their fraction is the marginal conversion rate of the nth impression. It is the
hazard of a life table, E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", JASA 53
(1958) 457-481, with impressions for time: users who did not convert are followed up to their last impression.
"""

import polars as pl

from advertisex.analysis.intervals import rate


def converted_by_frequency(impressions: pl.DataFrame, conversions: pl.DataFrame) -> pl.DataFrame:
    """Count users and converters by the number of impressions before converting.

    Args:
        impressions: user_id, event_time.
        conversions: user_id (the same categories), event_time.

    Returns:
        impressions, users, converters (i64), conversion_rate with its interval (f64); users_at_least (i64): users with
        that number or more, marginal_rate: converters / users_at_least, with its interval (f64), and converters_up_to
        (i64): with that number or fewer. Users who converted before their first impression are not counted.
    """
    firsts = conversions.group_by("user_id").agg(pl.col("event_time").min().alias("converted"))
    before = pl.col("event_time") <= pl.col("converted")
    users = (
        impressions.join(firsts, on="user_id", how="left")
        .group_by("user_id")
        .agg(
            before.fill_null(value=True).sum().cast(pl.Int64).alias("impressions"),
            pl.col("converted").first().is_not_null().alias("converts"),
        )
        .filter(pl.col("impressions") > 0)
    )
    return (
        users.group_by("impressions")
        .agg(users=pl.len().cast(pl.Int64), converters=pl.col("converts").sum().cast(pl.Int64))
        .sort("impressions")
        .with_columns(
            users_at_least=pl.col("users").cum_sum(reverse=True), converters_up_to=pl.col("converters").cum_sum()
        )
        .select(
            "impressions",
            "users",
            "converters",
            *rate("converters", "users", "conversion_rate"),
            "users_at_least",
            *rate("converters", "users_at_least", "marginal_rate"),
            "converters_up_to",
        )
    )
