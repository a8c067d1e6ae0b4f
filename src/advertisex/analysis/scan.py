"""Read events as a few small columns, computed frame by frame so that the raw text never accumulates in memory.

The campaign and the advertiser of impressions and bids come from the catalogue, as of the same time as the events.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.fields import catalogue_fields
from advertisex.analysis.scope import Scope
from advertisex.catalogue.join import TAKEN, catalogue_of
from advertisex.model import EVENT_COLUMNS
from advertisex.stores.contract import EventStore, Range

#: The event id as a 128-bit integer, which sorts like its bytes.
EVENT_ID = pl.col("event_id").bin.reinterpret(dtype=pl.UInt128, endianness="big")

_FIRST, _LAST = datetime.min, datetime.max  # noqa: DTZ901 - naive UTC, like `Scope`
_PROVENANCE: dict[str, pl.DataType] = {
    "processed_at": pl.Datetime("us"),
    "topic": pl.String(),
    "partition": pl.Int32(),
}


def readable(store: EventStore, feed: str) -> dict[str, pl.DataType]:
    """The columns of a feed that a question can read, with their dtypes: stored, and taken from the catalogue."""
    own = store.columns(feed)
    return EVENT_COLUMNS | _PROVENANCE | catalogue_fields(own) | own


def scan(
    store: EventStore, feed: str, columns: Sequence[str], within: Range, among: pl.Series | None = None
) -> Iterator[pl.DataFrame]:
    """Read `readable` columns of a feed as frames of bounded size, in no particular order.

    Args:
        store: the event store.
        feed: name of the feed.
        columns: the columns to read.
        within: selects the events, and the catalogue.
        among: only events with one of these values, see `EventStore.scan`.
    """
    taken = [name for name in columns if name in TAKEN and name not in store.columns(feed)]
    if not taken:
        yield from store.scan(feed, columns, within, among=among)
        return
    catalogue = catalogue_of(store, within.as_of)
    read = dict.fromkeys([*(name for name in columns if name not in taken), "creative_id", "event_time"])
    for frame in store.scan(feed, list(read), within, among=among):
        yield catalogue.join(frame, taken).select(columns)


def events(
    store: EventStore, feed: str, columns: Sequence[str], within: Range, keep: pl.Expr | None = None
) -> pl.DataFrame:
    """Read the events of a feed within a range, in no particular order.

    Args:
        store: the event store.
        feed: name of the feed.
        columns: the columns to read, see `readable`.
        within: selects the events.
        keep: optional filter, applied frame by frame to save memory.
    """
    known = readable(store, feed)
    empty = pl.DataFrame(schema={name: known[name] for name in columns})
    frames = scan(store, feed, columns, within)
    return pl.concat([empty, *(frame if keep is None else frame.filter(keep) for frame in frames)])


def scan_events(
    store: EventStore,
    feed: str,
    scope: Scope,
    *columns: pl.Expr,
    keep: pl.Expr | None = None,
    among: pl.Series | None = None,
) -> pl.DataFrame:
    """Read the events of a feed within a scope, in no particular order.

    Args:
        store: the event store.
        feed: name of the feed.
        scope: selects the events, also by campaign and fields.
        columns: expressions over `readable` columns.
        keep: optional filter.
        among: only events with one of these values, see `EventStore.scan`.
    """
    return pl.concat(map(compact, scan_frames(store, feed, scope, *columns, keep=keep, among=among)))


def scan_frames(
    store: EventStore,
    feed: str,
    scope: Scope,
    *columns: pl.Expr,
    keep: pl.Expr | None = None,
    among: pl.Series | None = None,
    within: Range | None = None,
) -> Iterator[pl.DataFrame]:
    """Like `scan_events`, but frame by frame; the first frame is empty. `within` replaces the range of the scope."""
    known = readable(store, feed)
    kept = [*scope.conditions(feed), *([] if keep is None else [keep])]
    read = sorted({name for expression in (*columns, *kept) for name in expression.meta.root_names()})
    yield pl.DataFrame(schema={name: known[name] for name in read}).select(columns)
    for frame in scan(store, feed, read, within or scope.within, among):
        yield frame.filter(*kept).select(columns)


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy the rows into their own memory.

    An unchanged column keeps the whole buffer it was read into alive, including columns that are no longer needed.
    """
    return pl.concat([frame[:1], frame[1:]], rechunk=True)


def categorical(column: str, codes: pl.Categories) -> pl.Expr:
    """A text column as categorical codes, consistent across all frames that are read with the same categories."""
    numbers: pl.Expr = pl.col(column).cast(pl.Categorical(codes))
    return numbers


def widened(scope: Scope, *, before: timedelta = timedelta(0), after: timedelta = timedelta(0)) -> Scope:
    """Extend the range of a scope by these durations and drop its campaign and fields; the rest stays."""
    since = None if scope.since is None else max(scope.since, _FIRST + before) - before
    until = None if scope.until is None else min(scope.until, _LAST - after) + after
    return Scope(since, until, as_of=scope.as_of, zone=scope.zone)


def hexadecimal(event_ids: pl.Series) -> pl.Series:
    """Format the integers of `EVENT_ID` as hexadecimal text."""
    return pl.Series(event_ids.name, [f"{number:032x}" for number in event_ids], dtype=pl.String)
