"""Reads events as groups: events of one interval of time with equal values, and their number.

The store counts them, where it can; otherwise each event is a group of its own. Either way, the groups add up to the
same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.scan import readable, scan_frames
from advertisex.analysis.scope import Scope
from advertisex.catalogue.join import TAKEN, catalogue_of
from advertisex.stores.contract import EventStore

#: Each interval is a query of its own. With more of them, reading the events is faster.
_MOST_INTERVALS = 400
_COUNTABLE = (pl.String(), pl.Boolean(), pl.Int64())
#: The time of events whose values do not depend on it.
_FIRST, _ANY_TIME = datetime.min, datetime(2000, 1, 1)  # noqa: DTZ001, DTZ901 - naive UTC, like `Scope`


def group_frames(
    store: EventStore,
    feed: str,
    scope: Scope,
    *columns: pl.Expr,
    edges: Iterable[datetime],
    lacking: tuple[str, ...] = (),
) -> Iterator[pl.DataFrame]:
    """Read the events of a feed within a scope as groups, frame by frame; the first frame is empty.

    Args:
        store: the event store.
        feed: name of the feed; impressions or bids.
        scope: selects the events, also by campaign and fields.
        columns: expressions over `readable` columns.
        edges: where they depend on `event_time`, they change only at these times (naive UTC), in any order.
        lacking: only events without a value of any of these amounts.

    Yields:
        The columns, event_time (a time in the interval of the group) and `_events` (i64, not 0).
    """
    within = replace(scope.within, lacking=lacking)
    kept = scope.conditions(feed)
    known = readable(store, feed)
    read = {name for expression in (*columns, *kept) for name in expression.meta.root_names()} - {"event_time"}
    changes = catalogue_of(store, scope.as_of)
    times = sorted(
        time
        for time in {*edges, *changes.rows["valid_from"].drop_nulls()}
        if (scope.since or _FIRST) < time and (scope.until is None or time < scope.until)
    )
    if len(times) >= _MOST_INTERVALS or any(known[name] not in _COUNTABLE for name in read):
        each = pl.lit(1, pl.Int64).alias("_events")
        yield from scan_frames(store, feed, scope, pl.col("event_time"), *columns, each, within=within)
        return
    stored = {name for name in read if name not in TAKEN} | {"creative_id"}
    schema = {name: known[name] for name in (*read, "event_time")} | {"_events": pl.Int64()}
    yield pl.DataFrame(schema=schema).select("event_time", *columns, "_events")
    groups = store.count(feed, sorted(stored), within, times)
    before = scope.since or (times[0] if times else scope.until or _ANY_TIME) - timedelta.resolution
    begins = pl.Series([before, *times], dtype=pl.Datetime("us"))
    timed = groups.with_columns(begins.gather(groups["_interval"]).alias("event_time"))
    yield changes.join(timed).filter(*kept).select("event_time", *columns, "_events")
