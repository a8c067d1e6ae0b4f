"""Hours and days: an event belongs to the one that its own time lies in, in UTC, named by its beginning."""

import polars as pl

HOUR = pl.col("event_time").dt.truncate("1h").alias("hour")
DAY = pl.col("event_time").dt.truncate("1d").alias("day")
