"""Leaves out invalid traffic: the events that `invalid_traffic` suspects, of the whole store.

Whether an event is invalid depends on what is stored as of the time of the answer, and neither on the question nor on
its range: so the parts of a range add up.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from advertisex.analysis.quality.invalid_traffic import gather, suspects
from advertisex.analysis.scan import EVENT_ID
from advertisex.analysis.scope import Scope
from advertisex.analysis.views.view import PartialView
from advertisex.stores.contract import EventStore, Range


class ValidOnly(PartialView):
    """A store without invalid traffic.

    Args:
        store: the store.
        scope: its `as_of` says what is stored.

    Attributes:
        left_out: number of events that are left out, by feed.
    """

    def __init__(self, store: EventStore, scope: Scope) -> None:
        super().__init__(store)
        found = suspects(gather(store, Scope(as_of=scope.as_of))).events.unique(["feed", "event_id"])
        self._ids = {str(feed): ids["event_id"] for (feed,), ids in found.group_by("feed")}
        self.left_out = {feed: len(ids) for feed, ids in sorted(self._ids.items())}

    def scan(
        self,
        feed: str,
        columns: Sequence[str],
        within: Range,
        slices: range | None = None,
        among: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Stored events of a feed that are not suspected."""
        ids = self._ids.get(feed)
        if ids is None:
            yield from self._store.scan(feed, columns, within, slices, among)
            return
        for frame in self._store.scan(feed, list(dict.fromkeys([*columns, "event_id"])), within, slices, among):
            yield frame.filter(~EVENT_ID.is_in(ids.implode())).select(columns)
