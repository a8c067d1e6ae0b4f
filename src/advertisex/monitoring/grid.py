"""What is watched, as arrays: one row for each feed or campaign, one column for each bucket, whole days."""

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


#: So many campaigns are watched, those with most events: of smaller ones, chance is all that could be seen.
CAMPAIGNS = 500


class Of(NamedTuple):
    """Whose series it is: a feed's, or that of one campaign in it."""

    feed: str
    campaign: str | None


@dataclass(frozen=True, slots=True)
class Grid:
    """One metric. Its value in a bucket is x / n, and there is none where n is 0.

    Attributes:
        metric: which.
        of: whose each row is.
        start: midnight (UTC) before the first bucket.
        bucket: its length.
        x: f64, (rows, buckets).
        n: f64, the same shape: what x is relative to; 1 for a count.
    """

    metric: Metric
    of: Sequence[Of]
    start: datetime
    bucket: timedelta
    x: Floats
    n: Floats

    @property
    def a_day(self) -> int:
        """How many buckets a day has."""
        return DAY // self.bucket

    def values(self) -> Floats:
        """The ratio x / n; NaN where there is none."""
        return divided(self.x, self.n)


def divided(x: Floats, n: Floats) -> Floats:
    """The ratio x / n; NaN where n is not above 0."""
    return np.asarray(np.divide(x, n, out=np.full(x.shape, np.nan), where=n > 0))


def grids(tallies: pl.DataFrame, until: datetime, bucket: timedelta) -> list[Grid]:
    """The grids of every metric; a series begins with the first bucket in which something came.

    Args:
        tallies: `series.TALLY`.
        until: where they end; a bucket begins then.
        bucket: its length.
    """
    if tallies.is_empty():
        return []
    board = _Board(tallies, until, bucket)
    whole = board.rows(of_campaigns=False)
    events = [*whole, *board.rows(of_campaigns=True)]
    clicks = [of for of in events if of.feed == "clicks"]
    seen = [of._replace(feed="impressions") for of in clicks]
    count, come = board.column("events", events), board.column("events", whole)
    read = board.column("read", whole)
    delay = board.column("delay", whole)
    return [
        board.grid("volume", events, count, board.begun(count)),
        board.grid("silence", whole, np.maximum(come, read), board.begun(np.maximum(come, read))),
        board.grid("ctr", clicks, board.column("clicks", clicks), board.column("events", seen)),
        board.grid("cvr", clicks, board.column("conversions", clicks), board.column("clicks", clicks)),
        board.grid("reject_share", whole, board.column("rejected", whole), read),
        board.grid("duplicate_share", whole, board.column("duplicate", whole), read),
        board.grid("delay", whole, delay * come, come),
    ]


class _Board:
    """Finds the cells of tallies."""

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

    def rows(self, *, of_campaigns: bool) -> list[Of]:
        """Feeds as a whole, or the larger campaigns of feeds."""
        if not of_campaigns:
            keys = self._keys.filter(pl.col("campaign").is_null())
        else:
            named = self._keys.filter(pl.col("campaign").is_not_null())
            largest = named.group_by("campaign").agg(pl.col("events").sum()).sort("events", "campaign").tail(CAMPAIGNS)
            keys = named.join(largest, on="campaign", how="semi", maintain_order="left")
        return [Of(feed, campaign) for feed, campaign, _ in keys.rows()]

    def column(self, name: str, of: Sequence[Of]) -> Floats:
        """One column of the tallies by row and bucket; 0 where nothing came."""
        cells = np.zeros((len(of), self._length))
        rows = pl.DataFrame(
            {"feed": [o.feed for o in of], "campaign": [o.campaign for o in of], "row": range(len(of))},
            schema={"feed": pl.String, "campaign": pl.String, "row": pl.Int64},
        )
        found = self._tallies.join(rows, on=["feed", "campaign"], nulls_equal=True).filter(pl.col(name).is_not_null())
        cells[found["row"].to_numpy(), found["place"].to_numpy()] = found[name].to_numpy()
        return cells

    def begun(self, cells: Floats) -> Floats:
        """1 from the first bucket in which something came up to the last one that is over, else 0."""
        begun = (np.cumsum(cells, axis=1) > 0).astype(np.float64)
        begun[:, self._until :] = 0
        return begun

    def grid(self, metric: Metric, of: Sequence[Of], x: Floats, n: Floats) -> Grid:
        return Grid(metric, of, self._start, self._bucket, x, n)
