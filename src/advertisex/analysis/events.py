"""The stored events of a feed, as one frame."""

from collections.abc import Sequence

import polars as pl

from advertisex.batches import EVENT_COLUMNS
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore, Range

_PROVENANCE: dict[str, pl.DataType] = {
    "processed_at": pl.Datetime("us"),
    "topic": pl.String(),
    "partition": pl.Int32(),
}


def events(
    store: EventStore, feed: str, columns: Sequence[str], within: Range, keep: pl.Expr | None = None
) -> pl.DataFrame:
    """The events of a feed within a range, in no particular order.

    Args:
        store: where they are.
        feed: its name.
        columns: as of `EventStore.scan`.
        within: which events.
        keep: only rows for which this is true; it is applied frame by frame, so that the others take no memory.
    """
    known = EVENT_COLUMNS | FEEDS[feed].columns | _PROVENANCE
    empty = pl.DataFrame(schema={name: known[name] for name in columns})
    frames = store.scan(feed, columns, within)
    return pl.concat([empty, *(frame if keep is None else frame.filter(keep) for frame in frames)])
