"""Leaves out invalid traffic: the events that `invalid_traffic` suspects, of the whole store.

Whether an event is invalid depends on what is stored as of the time of the answer, and neither on the question nor on
its range: so the parts of a range add up. A refund that names the transaction of an invalid conversion is left out with
it; of several conversions of a transaction, the earliest counts, as in `performance.revenue`.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from advertisex.analysis.quality.invalid_traffic import gather, suspects
from advertisex.analysis.scan import EVENT_ID, scan_events
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
        if "clicks" in self._ids:
            self._ids["clicks"] = pl.concat([self._ids["clicks"], _refunds(store, self._ids["clicks"], scope)])
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


def _refunds(store: EventStore, invalid: pl.Series, scope: Scope) -> pl.Series:
    """The refunds of invalid conversions, apart from those that are invalid themselves: their event ids."""
    is_invalid, named = EVENT_ID.is_in(invalid.implode()), pl.col("transaction_id").is_not_null()
    everything = Scope(as_of=scope.as_of)
    is_sold = (pl.col("conversions") > 0) & named
    sold = scan_events(store, "clicks", everything, pl.col("transaction_id"), keep=is_sold & is_invalid)
    columns = [EVENT_ID, *map(pl.col, ("event_time", "transaction_id")), is_sold.alias("is_sold"),
               (pl.col("value") < 0).alias("is_refund"), is_invalid.alias("is_invalid")]  # fmt: skip
    rows = scan_events(store, "clicks", everything, *columns, among=sold["transaction_id"].unique())
    first = (
        rows.filter("is_sold")
        .sort("event_time", "event_id")
        .unique("transaction_id", keep="first", maintain_order=True)
    )
    of_invalid = first.filter("is_invalid")["transaction_id"]
    return rows.filter(
        pl.col("is_refund").fill_null(value=False)
        & ~pl.col("is_invalid")
        & pl.col("transaction_id").is_in(of_invalid.implode())
    )["event_id"]
