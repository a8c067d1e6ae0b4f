"""Erase users from Elasticsearch while workers on other machines continue.

As in a commit, the order of writes provides the guarantees. First the note of the erasure is written, then the number
of notes is written to every ledger document. That fences off commits that started earlier; later commits of outcomes
created without the note are rejected. So no more events of the user are counted. Those that exist are found, counted
as erased, and deleted last. The ledger history records which partitions were counted, so that a retry after a crash
counts nothing twice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

import msgspec
import polars as pl

from advertisex.feeds import FEEDS
from advertisex.model import COUNT_NAMES, Counts, Outcome, Partition
from advertisex.stores.elasticsearch.bulk import delete_documents
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.indices import Indices
from advertisex.stores.elasticsearch.ledger import Ledger
from advertisex.stores.elasticsearch.lookup import documents_from
from advertisex.stores.elasticsearch.search import search_all
from advertisex.stores.removal import REMOVED_COLUMNS, Removal, moved_counts, removed_rows

_WHAT = "erase from the event store"


class _Source(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Found(NamedTuple):
    """A document to delete; `in_index` is the name of its index."""

    in_index: str
    id: str
    feed: str
    kind: str
    partition: Partition
    offset: int


class Eraser:
    """Removes erased users' documents from the indices of one store."""

    def __init__(self, connection: Connection, indices: Indices, ledger: Ledger) -> None:
        self._connection, self._indices, self._ledger = connection, indices, ledger

    def remove(self, removal: Removal) -> pl.DataFrame:
        """Remove events and rejects, and count them as erased; returns `REMOVED_COLUMNS`."""
        self._indices.check_all()  # a changed index may hide documents from the search
        found = [*self._events(removal), *self._rejects(removal)]
        counted = [one for one in found if one.offset < removal.bounds.get(one.partition, 0)]
        removed = Counter((one.feed, one.kind) for one in found) - Counter((one.feed, one.kind) for one in counted)
        removed += self._move_counts(removal, counted)
        delete_documents(self._connection, ((one.in_index, one.id) for one in found))
        self._expunge({one.in_index for one in found} | {self._indices.notes})  # notes that named the user were written
        rows = [(*what, count) for what, count in sorted(removed.items())]
        return pl.DataFrame(rows, schema=REMOVED_COLUMNS, orient="row")

    def _move_counts(self, removal: Removal, found: Iterable[_Found]) -> Counter[tuple[str, str]]:
        """Count the documents as erased; returns the totals of this erasure, including earlier attempts."""
        counts: dict[Partition, Counter[str]] = {}
        feeds: dict[Partition, str] = {}
        for one in found:
            counts.setdefault(one.partition, Counter())[one.kind] += 1
            feeds[one.partition] = one.feed
        removed: Counter[tuple[str, str]] = Counter()
        for partition in removal.bounds:
            if moved := counts.get(partition):
                row = self._ledger.move_counts(partition, feeds[partition], moved_counts(moved), removal.erasure)
            else:  # its documents, if any, are already deleted
                row = self._ledger.moved_by(removal.erasure, partition)
            if row is not None:
                counts_moved = Counts(*(getattr(row, name) for name in COUNT_NAMES))
                removed.update({(row.feed, kind): count for kind, count in removed_rows(counts_moved).items()})
        return +removed

    def remove_suppressed(self, outcome: Outcome) -> None:
        """Delete what an interrupted or fenced commit left of messages that are now suppressed."""
        if outcome.suppressed.is_empty():
            return
        of, names = outcome.span.of, self._indices.names
        events = outcome.suppressed.drop_nulls()
        periods = events.select(self._indices.period_of(pl.col("event_time"))).to_series()
        documents = [
            (names.events(outcome.feed, period), event.hex())
            for period, event in zip(periods, events["event_id"], strict=True)
        ]
        # an event stored from another position was counted: `remove` deletes it
        own = documents_from(self._connection, documents, of, events["offset"])
        places = ((self._indices.rejects, f"{of.topic}-{of.partition}-{at}") for at in outcome.suppressed["offset"])
        delete_documents(self._connection, [*own, *places])

    def _events(self, removal: Removal) -> Iterator[_Found]:
        query = {"terms": {"user_id": list(removal.users)}}
        for feed in FEEDS:
            for names in self._indices.searched(feed):
                for page in search_all(self._connection, names, [{"_shard_doc": "asc"}], query=query):
                    for hit in page:
                        at = msgspec.json.decode(hit.source, type=_Source)
                        yield _Found(hit.index, hit.id, feed, "event", Partition(at.topic, at.partition), at.offset)

    def _rejects(self, removal: Removal) -> Iterator[_Found]:
        columns = ("topic", "partition", "offset", "feed", "kind")
        for topic, number, offset, feed, kind in removal.rejects.select(columns).iter_rows():
            name = f"{topic}-{number}-{offset}"
            yield _Found(self._indices.rejects, name, feed, kind, Partition(topic, number), offset)

    def _expunge(self, indices: Iterable[str]) -> None:
        """Drop deleted documents from the files: a deletion only marks them."""
        for index in sorted(indices):
            for path in ("_flush", "_forcemerge?only_expunge_deletes=true"):
                backoff = self._connection.backoff(_WHAT, None)
                self._connection.request(
                    "POST", f"/{quote(index)}/{path}", what=_WHAT, accept={HTTPStatus.NOT_FOUND}, backoff=backoff
                )
                backoff.done()
