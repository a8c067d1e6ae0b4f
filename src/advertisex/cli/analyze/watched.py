"""A store that shows how far each of its scans is."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from advertisex.cli.progress import Bar
from advertisex.stores.contract import EventStore, Range


class Watched:
    """A store, with a progress bar for the events that are read from it."""

    def __init__(self, store: EventStore, bar: Bar) -> None:
        self._store, self._bar = store, bar

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
        """Scan the store. Each scan is a part of the work; a question can do several, one after the other."""
        total = self._store.extent(feed, within).events if among is None else None
        self._bar.begin(f"reading {feed}", total)
        for frame in self._store.scan(feed, columns, within, slices, among):
            yield frame
            self._bar.advance(frame.height)
        self._bar.begin("computing", None)
