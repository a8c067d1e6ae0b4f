"""A store whose events are changed as they are read."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from advertisex.stores.contract import EventStore, Extent, Range


class View:
    """A store that reads like another one, except for what a subclass changes.

    Args:
        store: the other one.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def scan(
        self,
        feed: str,
        columns: Sequence[str],
        within: Range,
        slices: range | None = None,
        among: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Stored events of a feed, see `EventStore.scan`."""
        return self._store.scan(feed, columns, within, slices, among)


class PartialView(View):
    """A view whose `scan` leaves events out.

    What a store counts itself is counted from the scan. `last_time` is that of the store: events that are left out also
    show how far it is complete.
    """

    def extent(self, feed: str, within: Range) -> Extent:
        """Number of events of a feed within a range, and their first and last event time."""
        times = [frame["event_time"] for frame in self.scan(feed, ["event_time"], within)]
        times = [part for part in times if len(part)]
        if not times:
            return Extent()
        return Extent(sum(map(len, times)), min(map(_first, times)), max(map(_last, times)))

    def count(self, feed: str, by: Sequence[str], within: Range, edges: Sequence[datetime] = ()) -> pl.DataFrame:
        """Count the events of a feed by the values of columns, see `EventStore.count`."""
        return counted(self, feed, by, within, edges)

    def user_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        """Clicks and conversions per user, see `EventStore.user_totals`."""
        names = ["user_id", "campaign_id", "clicks", "conversions"]
        empty = pl.DataFrame(schema={"user_id": pl.String, "clicks": pl.Int64, "conversions": pl.Int64})
        keep = pl.lit(value=True) if campaign is None else pl.col("campaign_id") == campaign
        frames = (frame.filter(keep).drop("campaign_id") for frame in self.scan("clicks", names, within))
        rows = pl.concat([empty, *frames])
        return rows.group_by("user_id").agg(pl.col("clicks", "conversions").sum()).sort("user_id")


def counted(view: View, feed: str, by: Sequence[str], within: Range, edges: Sequence[datetime]) -> pl.DataFrame:
    """Count the events that a view returns, see `EventStore.count`."""
    known = {**view.columns(feed), "event_time": pl.Datetime("us")}
    read, keys = [*by, "event_time"], [*by, "_interval"]
    begins = pl.Series(edges, dtype=pl.Datetime("us"))
    parts = []
    for frame in (pl.DataFrame(schema={name: known[name] for name in read}), *view.scan(feed, read, within)):
        interval = begins.search_sorted(frame["event_time"], side="right").cast(pl.UInt32)
        placed = frame.select(*by, interval.alias("_interval"))
        parts.append(placed.group_by(keys).agg(_events=pl.len().cast(pl.Int64)))
    return pl.concat(parts).group_by(keys).agg(pl.col("_events").sum())


def _first(times: pl.Series) -> Any:
    return times.min()


def _last(times: pl.Series) -> Any:
    return times.max()
