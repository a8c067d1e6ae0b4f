"""Time buckets: the UTC hour or day of an event's own time, identified by its start."""

import polars as pl

HOUR = pl.col("event_time").dt.truncate("1h").alias("hour")
DAY = pl.col("event_time").dt.truncate("1d").alias("day")
