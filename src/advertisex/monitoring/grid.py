"""Metrics as arrays: one row per feed or campaign, one column per bucket, padded to whole days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from advertisex.limits import Limit
from advertisex.monitoring.days_off import is_off
from advertisex.monitoring.series import DAY, midnight
from advertisex.settings.alerts import AlertSettings

Metric = Literal[
    "volume", "silence", "ctr", "cvr", "reject_share", "duplicate_share", "delay", "lag", "pace", "projected_spend",
    "budget_spent",
]  # fmt: skip
#: Metrics of flights of campaigns; they are not measured in buckets, see `flights`.
FLIGHT_METRICS: tuple[Metric, ...] = ("pace", "projected_spend", "budget_spent")
Floats = npt.NDArray[np.float64]

MAX_CAMPAIGNS = Limit(500, "campaigns", of="what monitoring watches", beyond="the largest are watched")
#: A campaign without events for this long is over: it has no volume until its next event.
OVER_AFTER = timedelta(days=1)


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


def grids(tallies: pl.DataFrame, until: datetime, settings: AlertSettings, zone: str = "UTC") -> list[Grid]:
    """Build the grid of every metric that has a series. A series starts at its first non-empty bucket.

    Args:
        tallies: a frame with the schema `series.TALLY`.
        until: end of the last bucket.
        settings: length of a bucket, and the days off, on which volume and silence are not measured.
        zone: time zone of the days off.
    """
    if tallies.is_empty():
        return []
    index = _TallyIndex(tallies, until, settings, zone)
    whole = index.rows(of_campaigns=False)
    events = [*whole, *index.rows(of_campaigns=True)]
    clicks = [of for of in events if of.feed == "clicks"]
    seen = [of._replace(feed="impressions") for of in clicks]
    count, arrived = index.column("events", events), index.column("events", whole)
    read = index.column("read", whole)
    delay = index.column("delay", whole)
    found = [
        index.grid("volume", events, count, index.active(events, count)),
        index.grid("silence", whole, np.maximum(arrived, read), index.active(whole, np.maximum(arrived, read))),
        index.grid("ctr", clicks, index.column("clicks", clicks), index.column("events", seen)),
        index.grid("cvr", clicks, index.column("conversions", clicks), index.column("clicks", clicks)),
        index.grid("reject_share", whole, index.column("rejected", whole), read),
        index.grid("duplicate_share", whole, index.column("duplicate", whole), read),
        index.grid("delay", whole, delay * arrived, arrived),
    ]
    return [grid for grid in found if grid.of]  # without clicks, CTR and CVR have none


class _TallyIndex:
    """Looks up tallies by series and bucket."""

    def __init__(self, tallies: pl.DataFrame, until: datetime, settings: AlertSettings, zone: str) -> None:
        first, bucket = tallies["bucket"].min(), settings.bucket
        assert isinstance(first, datetime)
        self._start, self._bucket, self._days_off, self._zone = midnight(first), bucket, settings.days_off, zone
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

    def active(self, of: Sequence[SeriesKey], cells: Floats) -> Floats:
        """1 from the first non-empty bucket of a row to the last complete bucket, else 0.

        Also 0 on days off, and where a campaign is over.
        """
        active = (np.cumsum(cells, axis=1) > 0).astype(np.float64)
        active[:, self._until :] = 0
        places = np.arange(self._length)
        last = np.maximum.accumulate(np.where(cells > 0, places, 0), axis=1)
        is_campaign = np.array([one.campaign is not None for one in of], dtype=np.bool_)[:, None]
        active[is_campaign & (places - last > OVER_AFTER // self._bucket)] = 0
        starts = [self._start + place * self._bucket for place in places.tolist()]
        for feed in {one.feed for one in of}:
            rows = np.array([one.feed == feed for one in of], dtype=np.bool_)
            active[np.ix_(rows, is_off(self._days_off, feed, starts, self._bucket, self._zone))] = 0
        return active

    def grid(self, metric: Metric, of: Sequence[SeriesKey], x: Floats, n: Floats) -> Grid:
        return Grid(metric, of, self._start, self._bucket, x, n)
