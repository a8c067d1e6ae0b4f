"""Reads the stored events of a feed into one frame."""

from collections.abc import Sequence

import polars as pl

from advertisex.feeds import FEEDS
from advertisex.model import EVENT_COLUMNS
from advertisex.stores.contract import EventStore, Range

_PROVENANCE: dict[str, pl.DataType] = {
    "processed_at": pl.Datetime("us"),
    "topic": pl.String(),
    "partition": pl.Int32(),
}


def events(
    store: EventStore, feed: str, columns: Sequence[str], within: Range, keep: pl.Expr | None = None
) -> pl.DataFrame:
    """Read the events of a feed within a range, in no particular order.

    Args:
        store: the event store.
        feed: name of the feed.
        columns: the columns to read, see `EventStore.scan`.
        within: selects the events.
        keep: optional filter, applied frame by frame to save memory.
    """
    known = EVENT_COLUMNS | FEEDS[feed].columns | _PROVENANCE
    empty = pl.DataFrame(schema={name: known[name] for name in columns})
    frames = store.scan(feed, columns, within)
    return pl.concat([empty, *(frame if keep is None else frame.filter(keep) for frame in frames)])
