"""Counts per bucket: tallies of the store's events and commits, cached in memory.

Events are counted in the bucket of their ingestion (`ingested_at`), so a bucket that is over and fully processed never
changes. Duplicates and rejects are counted in the bucket of their commit.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.scan import scan
from advertisex.feeds import FEEDS
from advertisex.model import Partition
from advertisex.stores.contract import EventStore, Range

DAY = timedelta(days=1)

#: Schema of tallies: one row per feed or campaign, and non-empty bucket; `bucket` is its start in UTC.
TALLY: dict[str, pl.DataType] = {
    "bucket": pl.Datetime("us"),
    "feed": pl.String(),
    "campaign": pl.String(),  # null: the feed as a whole
    "events": pl.Int64(),  # stored events, by ingestion time
    "clicks": pl.Int64(),
    "conversions": pl.Int64(),
    "delay": pl.Float64(),  # median seconds from event to ingestion; null for a campaign
    "read": pl.Int64(),  # by commit time, like the columns below; 0 for a campaign
    "duplicate": pl.Int64(),
    "rejected": pl.Int64(),
}
_COUNTS = ("events", "clicks", "conversions", "read", "duplicate", "rejected")
_COLUMNS = {
    "impressions": ["ingested_at", "event_time", "campaign_id"],
    "clicks": ["ingested_at", "event_time", "campaign_id", "clicks", "conversions"],
    "bids": ["ingested_at", "event_time"],
}


class History:
    """Tallies of the last days, updated incrementally.

    Args:
        bucket: length of a bucket; divides a day.
        length: how long tallies are kept.

    Attributes:
        tallies: the tallies, with the schema `TALLY`.
        counted: the ledger's positions up to which commits are counted, whatever their times.
    """

    def __init__(self, bucket: timedelta, length: timedelta) -> None:
        self._bucket, self._length = bucket, length
        self._until: datetime | None = None
        self._imports: int | None = None
        self.counted: Mapping[Partition, int] = {}
        self.tallies = pl.DataFrame(schema=TALLY)

    def extend(self, store: EventStore, until: datetime, now: datetime | None = None) -> None:
        """Add the buckets from the previous `until` up to this one, which must be the start of a bucket.

        After an import of the catalogue, or if the clock was set back, all buckets are read again. Commits whose times
        lie in the future, because each is later than the one before, count in the last bucket when they first appear.

        Args:
            store: the event store.
            until: end of the last bucket.
            now: current time; default: `until`.

        Raises:
            StoreError: the store cannot be read; the tallies are unchanged.
        """
        imports = len(store.catalogue_imports())
        if imports == self._imports and (self._until is None or self._until <= until):
            known, until_before = self.tallies, self._until
        else:  # the campaign of any impression may have changed
            known, until_before = self.tallies.clear(), None
        oldest = midnight(until - self._length)
        since = oldest if until_before is None else max(oldest, until_before)
        if since >= until:
            return
        positions, late = self._late_commits(store, until, now or until)
        new = pl.concat([tally(store, since, until, self._bucket), late])
        self.tallies = pl.concat([known.filter(pl.col("bucket") >= oldest), _merged(new)])
        self.counted = positions
        self._until, self._imports = until, imports

    def _late_commits(
        self, store: EventStore, until: datetime, now: datetime
    ) -> tuple[dict[Partition, int], pl.DataFrame]:
        """Return the positions of the ledger, and the tallies of the new commits whose times lie in the future."""
        positions = store.positions()
        known = [(*of, end, self.counted.get(of, end)) for of, end in positions.items()]
        ends = pl.DataFrame(known, ["topic", "partition", "reached", "counted"], orient="row")
        later = store.commits(now + self._bucket).filter(pl.col("read") > 0)
        if not known or later.is_empty():
            return positions, pl.DataFrame(schema=TALLY)
        new = later.join(ends, on=["topic", "partition"]).filter(
            pl.col("end").is_between("counted", "reached", "right")
        )
        counts = _counted(new, pl.lit(until - self._bucket, pl.Datetime("us")))
        return positions, pl.concat([pl.DataFrame(schema=TALLY), counts], how="diagonal")


def midnight(time: datetime) -> datetime:
    """The start of the day."""
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def bucket_start(time: datetime, bucket: timedelta) -> datetime:
    """The start of the bucket that contains this time."""
    return time - (time - midnight(time)) % bucket


def tally(store: EventStore, since: datetime, until: datetime, bucket: timedelta) -> pl.DataFrame:
    """Count the events and messages of each bucket.

    Args:
        store: the event store.
        since: start of the first bucket.
        until: end of the last bucket (exclusive).
        bucket: length of a bucket.

    Returns:
        A frame with the schema `TALLY`, unordered. It starts with what the store keeps: a bucket without its events
        would look empty.

    Raises:
        StoreError: the store cannot be read.
    """
    since = max(since, store.kept_since() or since)
    parts = [pl.DataFrame(schema=TALLY), _commits(store, since, until, bucket)]
    for feed in FEEDS:
        parts += [_events(store, feed, *span, bucket) for span in _days(since, until)]
    return _merged(pl.concat(parts, how="diagonal"))


def _merged(parts: pl.DataFrame) -> pl.DataFrame:
    """Merge the event rows and the commit rows of each bucket."""
    return (
        parts.with_columns(pl.col(_COUNTS).fill_null(0))
        .group_by("bucket", "feed", "campaign")
        .agg(pl.col(_COUNTS).sum(), pl.col("delay").max())
        .select(pl.col(name).cast(dtype) for name, dtype in TALLY.items())
    )


def _days(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Split a range into days, to bound memory."""
    while since < until:
        end = min(midnight(since) + DAY, until)
        yield since, end
        since = end


def _commits(store: EventStore, since: datetime, until: datetime, bucket: timedelta) -> pl.DataFrame:
    at = pl.col("committed_at")
    # skip erasures, which change counts but read nothing
    commits = store.commits(since).filter(at < until, pl.col("read") > 0)
    return _counted(commits, at.dt.truncate(bucket))


def _counted(commits: pl.DataFrame, bucket: pl.Expr) -> pl.DataFrame:
    return (
        commits.group_by(bucket.alias("bucket"), "feed")
        .agg(pl.col("read", "duplicate", "rejected").sum())
        .with_columns(campaign=pl.lit(None, pl.String), delay=pl.lit(None, pl.Float64))
    )


def _events(store: EventStore, feed: str, since: datetime, until: datetime, bucket: timedelta) -> pl.DataFrame:
    at = pl.col("ingested_at")
    frames = [
        frame.select(
            at.dt.truncate(bucket).alias("bucket"),
            ((at - pl.col("event_time")).dt.total_microseconds() / 1e6).alias("delay"),
            *(pl.col(name) for name in frame.columns if name not in ("ingested_at", "event_time")),
        )
        for frame in scan(store, feed, _COLUMNS[feed], Range(ingested_since=since, ingested_until=until))
    ]
    if not frames:
        return pl.DataFrame(schema=TALLY)
    events = pl.concat(frames)
    counts = [pl.len().cast(pl.Int64).alias("events")]
    counts += [pl.col(name).sum() for name in ("clicks", "conversions") if name in events.columns]
    parts = [events.group_by("bucket").agg(*counts, pl.col("delay").median())]
    if "campaign_id" in events.columns:
        of_campaigns = events.filter(pl.col("campaign_id").is_not_null())
        parts.append(of_campaigns.group_by("bucket", pl.col("campaign_id").alias("campaign")).agg(*counts))
    return pl.concat(parts, how="diagonal").with_columns(feed=pl.lit(feed))
