"""Events as few small columns: made frame by frame, so that the text that they are made of takes no memory."""

from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.scope import Scope
from advertisex.batches import EVENT_COLUMNS
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

#: The event id as a number of 128 bits, which sorts as its bytes do.
EVENT_ID = pl.col("event_id").bin.reinterpret(dtype=pl.UInt128, endianness="big")

_FIRST, _LAST = datetime.min, datetime.max  # noqa: DTZ901 - UTC without a zone, as `Scope`


def scan_events(
    store: EventStore, feed: str, scope: Scope, *columns: pl.Expr, keep: pl.Expr | None = None
) -> pl.DataFrame:
    """The events of a feed within a scope, in no particular order.

    Args:
        store: where they are.
        feed: its name.
        scope: which events; of its campaign where it names one.
        columns: what is wanted of them, made of the feed's columns and `EVENT_COLUMNS`.
        keep: only events for which this is true.
    """
    known = EVENT_COLUMNS | FEEDS[feed].columns
    kept = [] if keep is None else [keep]
    if scope.campaign is not None:
        kept.append(pl.col("campaign_id") == scope.campaign)
    read = sorted({name for expression in (*columns, *kept) for name in expression.meta.root_names()})
    empty = pl.DataFrame(schema={name: known[name] for name in read}).select(columns)
    frames = store.scan(feed, read, scope.within)
    return pl.concat([empty, *(owned(frame.filter(*kept).select(columns)) for frame in frames)])


def owned(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows in memory of their own.

    A column that is as it was read holds on to all that was read with it, also to the columns that are not wanted.
    """
    return pl.concat([frame[:1], frame[1:]], rechunk=True)


def coded(column: str, codes: pl.Categories) -> pl.Expr:
    """A text column as numbers, the same ones in every frame that is read with these codes."""
    numbers: pl.Expr = pl.col(column).cast(pl.Categorical(codes))
    return numbers


def widened(scope: Scope, *, before: timedelta = timedelta(0), after: timedelta = timedelta(0)) -> Scope:
    """The scope of all campaigns that also holds what lies so long before and after; as of the same time."""
    since = None if scope.since is None else max(scope.since, _FIRST + before) - before
    until = None if scope.until is None else min(scope.until, _LAST - after) + after
    return Scope(since, until, None, scope.as_of)


def hexadecimal(event_ids: pl.Series) -> pl.Series:
    """Event ids as text, from the numbers of `EVENT_ID`."""
    return pl.Series(event_ids.name, [f"{number:032x}" for number in event_ids], dtype=pl.String)
