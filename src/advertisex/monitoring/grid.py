"""Metrics as arrays: one row per feed or campaign, one column per bucket, padded to whole days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from advertisex.monitoring.series import DAY, midnight

Metric = Literal["volume", "silence", "ctr", "cvr", "reject_share", "duplicate_share", "delay", "lag"]
Floats = npt.NDArray[np.float64]

#: Only the largest campaigns are monitored; smaller ones have too few events to tell an anomaly from noise.
MAX_CAMPAIGNS = 500


class SeriesKey(NamedTuple):
    """Identifies a series: a feed, or one campaign of a feed."""

    feed: str
    campaign: str | None


@dataclass(frozen=True, slots=True)
class Grid:
    """One metric. Its value in a bucket is x / n; a bucket with n = 0 has no value.

    Attributes:
        metric: the metric.
        of: the series of each row.
        start: midnight (UTC) at or before the first bucket.
        bucket: length of a bucket.
        x: numerator, f64, (rows, buckets).
        n: denominator, same dtype and shape; 1 for a count.
    """

    metric: Metric
    of: Sequence[SeriesKey]
    start: datetime
    bucket: timedelta
    x: Floats
    n: Floats

    @property
    def buckets_per_day(self) -> int:
        """Number of buckets in a day."""
        return DAY // self.bucket

    def values(self) -> Floats:
        """The ratio x / n; NaN where n is 0."""
        return ratio(self.x, self.n)


def ratio(x: Floats, n: Floats) -> Floats:
    """The ratio x / n; NaN unless n > 0."""
    return np.asarray(np.divide(x, n, out=np.full(x.shape, np.nan), where=n > 0))


def grids(tallies: pl.DataFrame, until: datetime, bucket: timedelta) -> list[Grid]:
    """Build the grid of every metric. A series starts at its first non-empty bucket.

    Args:
        tallies: a frame with the schema `series.TALLY`.
        until: end of the last bucket.
        bucket: length of a bucket.
    """
    if tallies.is_empty():
        return []
    index = _TallyIndex(tallies, until, bucket)
    whole = index.rows(of_campaigns=False)
    events = [*whole, *index.rows(of_campaigns=True)]
    clicks = [of for of in events if of.feed == "clicks"]
    seen = [of._replace(feed="impressions") for of in clicks]
    count, arrived = index.column("events", events), index.column("events", whole)
    read = index.column("read", whole)
    delay = index.column("delay", whole)
    return [
        index.grid("volume", events, count, index.active(count)),
        index.grid("silence", whole, np.maximum(arrived, read), index.active(np.maximum(arrived, read))),
        index.grid("ctr", clicks, index.column("clicks", clicks), index.column("events", seen)),
        index.grid("cvr", clicks, index.column("conversions", clicks), index.column("clicks", clicks)),
        index.grid("reject_share", whole, index.column("rejected", whole), read),
        index.grid("duplicate_share", whole, index.column("duplicate", whole), read),
        index.grid("delay", whole, delay * arrived, arrived),
    ]


class _TallyIndex:
    """Looks up tallies by series and bucket."""

    def __init__(self, tallies: pl.DataFrame, until: datetime, bucket: timedelta) -> None:
        first = tallies["bucket"].min()
        assert isinstance(first, datetime)
        self._start, self._bucket = midnight(first), bucket
        self._length = -(-(until - self._start) // DAY) * (DAY // bucket)
        self._until = (until - self._start) // bucket
        known = tallies.filter(pl.col("bucket") < until)
        place = (pl.col("bucket") - self._start).dt.total_microseconds() // (bucket // timedelta(microseconds=1))
        self._tallies = known.with_columns(place=place)
        self._keys = known.group_by("feed", "campaign").agg(pl.col("events").sum()).sort("feed", "campaign")

    def rows(self, *, of_campaigns: bool) -> list[SeriesKey]:
        """The series of whole feeds, or of the largest campaigns."""
        if not of_campaigns:
            keys = self._keys.filter(pl.col("campaign").is_null())
        else:
            named = self._keys.filter(pl.col("campaign").is_not_null())
            largest = (
                named.group_by("campaign").agg(pl.col("events").sum()).sort("events", "campaign").tail(MAX_CAMPAIGNS)
            )
            keys = named.join(largest, on="campaign", how="semi", maintain_order="left")
        return [SeriesKey(feed, campaign) for feed, campaign, _ in keys.rows()]

    def column(self, name: str, of: Sequence[SeriesKey]) -> Floats:
        """One column of the tallies as (rows, buckets); 0 in empty buckets."""
        cells = np.zeros((len(of), self._length))
        rows = pl.DataFrame(
            {"feed": [o.feed for o in of], "campaign": [o.campaign for o in of], "row": range(len(of))},
            schema={"feed": pl.String, "campaign": pl.String, "row": pl.Int64},
        )
        found = self._tallies.join(rows, on=["feed", "campaign"], nulls_equal=True).filter(pl.col(name).is_not_null())
        cells[found["row"].to_numpy(), found["place"].to_numpy()] = found[name].to_numpy()
        return cells

    def active(self, cells: Floats) -> Floats:
        """1 from the first non-empty bucket of a row to the last complete bucket, else 0."""
        active = (np.cumsum(cells, axis=1) > 0).astype(np.float64)
        active[:, self._until :] = 0
        return active

    def grid(self, metric: Metric, of: Sequence[SeriesKey], x: Floats, n: Floats) -> Grid:
        return Grid(metric, of, self._start, self._bucket, x, n)
