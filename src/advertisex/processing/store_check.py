"""Reads everything that a store holds, for `advertisex doctor --deep`: can it be read, and is it as it was stored?"""

from collections.abc import Callable, Iterator, Mapping

import polars as pl

from advertisex.feeds import Feed
from advertisex.model import COUNT_NAMES, EVENT_COLUMNS, USER_SLICES, Counts, Finding
from advertisex.processing.identify import identify
from advertisex.stores.contract import EventStore, Range, RejectQuery

_ALWAYS = Range()
#: Events whose ids are in memory at once.
_EVENTS = 5_000_000
#: How often the history is compared with the ledger, since another process may commit in between.
_ATTEMPTS = 3
_HINT = "the store was changed by something else: restore it from a backup, or run `advertisex rebuild`"


def check_store(
    store: EventStore, feeds: Mapping[str, Feed], on_rows: Callable[[int], None], *, identities: bool
) -> list[Finding]:
    """Read every event, reject, commit and import of the catalogue.

    Args:
        store: the store.
        feeds: feeds by name, as used in processing.
        on_rows: called with the number of rows read since its last call.
        identities: whether the identities are those of the store, so that ids can be computed again.

    Raises:
        StoreError: something cannot be read.
    """
    wrong = [fault for feed in feeds.values() for fault in _faults(store, feed, on_rows, identities=identities)]
    for rejects in store.scan_rejects(RejectQuery()):
        on_rows(rejects.height)
    for imported_at in store.catalogue_imports():
        on_rows(store.catalogue(imported_at).height + store.campaigns(imported_at).height)
    text = "all of them can be read, and each has the id of its content"
    return [
        Finding("store's events", not wrong, "; ".join(wrong) if wrong else text, _HINT),
        _history(store),
    ]


def _faults(store: EventStore, feed: Feed, on_rows: Callable[[int], None], *, identities: bool) -> Iterator[str]:
    """What is wrong with the events of a feed."""
    parts = store.extent(feed.name, _ALWAYS).events // _EVENTS + 1
    step = -(-USER_SLICES // parts)
    changed = repeated = 0
    for start in range(0, USER_SLICES, step):
        ids = pl.Series("event_id", dtype=pl.Binary)
        slices = None if parts == 1 else range(start, min(start + step, USER_SLICES))
        for events in store.scan(feed.name, [*EVENT_COLUMNS, *feed.columns], _ALWAYS, slices):
            changed += _changed(events, feed) if identities else 0
            ids = ids.append(events["event_id"])
            on_rows(events.height)
        repeated += len(ids) - ids.n_unique()
    if changed:
        yield f"{feed.name}: {changed:,} do not have the id of their content"
    if repeated:
        yield f"{feed.name}: {repeated:,} are stored twice"


def _changed(events: pl.DataFrame, feed: Feed) -> int:
    """How many events do not have the id and the slice of their content."""
    expected = identify(events.drop("event_id", "user_slice"), feed)
    return int(((events["event_id"] != expected["event_id"]) | (events["user_slice"] != expected["user_slice"])).sum())


def _history(store: EventStore) -> Finding:
    """Compare the sums of the history with the ledger."""
    wrong = ""
    for _ in range(_ATTEMPTS):
        ledger = {(row.topic, row.partition): row.counts for row in store.ledger()}
        sums = store.commits().group_by("topic", "partition").agg(pl.col(COUNT_NAMES).sum())
        history = {(topic, number): Counts(*counts) for topic, number, *counts in sums.iter_rows()}
        differing = [of for of in sorted(ledger.keys() | history.keys()) if ledger.get(of) != history.get(of)]
        if not differing:
            return Finding("store's history", True, "its sums are the ledger's counts")
        wrong = ", ".join(f"{topic}/{number}" for topic, number in differing)
    return Finding("store's history", False, f"its sums are not the ledger's counts: {wrong}", _HINT)
