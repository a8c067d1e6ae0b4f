"""What is counted of users: how many, and how often each was reached."""

import polars as pl

from advertisex.analysis.intervals import ratio

#: Aggregates of one row for each user, with its `frequency`.
REACHED = [
    pl.len().cast(pl.Int64).alias("users"),
    pl.col("frequency").sum().alias("impressions"),
    (pl.col("frequency") == 1).sum().cast(pl.Int64).alias("users_once"),
    pl.col("frequency").max().alias("max_frequency"),
]
AVERAGE = ratio("impressions", "users", "average_frequency")
