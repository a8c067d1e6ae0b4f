"""Remove what is below the floor from Elasticsearch while workers on other machines continue.

As in an erasure, the order of writes provides the guarantees. First the floor is noted: from then on no answer contains
an earlier event. Then it is written to every ledger document, which fences off commits of outcomes with an earlier
floor. So no event below it is counted any more, and those that were are counted as removed, once for each partition:
the ledger history records it. Last, the indices of the periods and the rejects are deleted, and the note is completed.

A call that finds an incomplete floor completes it before it raises it. A commit that was fenced off may still have
written events into an index that it created again; they were never counted, and the next call deletes the index.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from advertisex.feeds import FEEDS
from advertisex.model import COUNT_NAMES, Counts, Partition
from advertisex.stores.contract import Range
from advertisex.stores.elasticsearch.bulk import delete_documents
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.conditions import all_of, between
from advertisex.stores.elasticsearch.indices import Indices
from advertisex.stores.elasticsearch.ledger import Ledger
from advertisex.stores.elasticsearch.notes import Notes
from advertisex.stores.elasticsearch.search import search_all
from advertisex.stores.retention import FLOOR, RETENTION, Floor, floor_in, name_of_removal

_WHAT = "remove old events"


class _Count(msgspec.Struct):
    count: int = 0


class IndexRetention:
    """Removes old events and rejects from the indices of one store."""

    def __init__(self, connection: Connection, indices: Indices, ledger: Ledger, notes: Notes) -> None:
        self._connection, self._indices, self._ledger, self._notes = connection, indices, ledger, notes

    def floor(self) -> Floor | None:
        """The floor of the store."""
        return floor_in(self._notes.current(RETENTION, FLOOR).document)

    def drop_before(self, since: datetime) -> Counts:
        """Raise the floor, unless it is higher, and remove what is below it; returns what was removed."""
        removed = Counts()
        while True:
            removed += self.complete()
            noted = self._notes.current(RETENTION, FLOOR)
            floor = floor_in(noted.document)
            if floor is None or (floor.is_complete and since > floor.since):
                new = Floor(since, None if floor is None else floor.since)
                self._notes.replace(RETENTION, FLOOR, noted, msgspec.json.encode(new))
            elif floor.is_complete:
                self._indices.delete_events_before(floor.since)
                return removed

    def complete(self) -> Counts:
        """Complete what an interrupted call has left; returns what was removed below that floor."""
        noted = self._notes.current(RETENTION, FLOOR)
        floor = floor_in(noted.document)
        if floor is None or floor.is_complete:
            return Counts()
        removed = self._remove(floor)
        done = msgspec.structs.replace(floor, is_complete=True)
        self._notes.replace(RETENTION, FLOOR, noted, msgspec.json.encode(done))
        return removed

    def _remove(self, floor: Floor) -> Counts:
        removed, bounds = Counts(), self._ledger.fence_floor(floor.since)
        # those that an interrupted call was deleting are not among them: it had counted what was in them
        events = [names for feed in FEEDS for names in self._indices.searched(feed, Range(until=floor.since))]
        for of, bound in bounds.items():
            removed += self._count_removed(of, bound, floor, events)
        self._indices.delete_events_before(floor.since)
        query = all_of(between("ingested_at", None, floor.since))
        for page in search_all(
            self._connection, self._indices.rejects, [{"_shard_doc": "asc"}], query=query, source=False, forever=True
        ):
            delete_documents(self._connection, ((hit.index, hit.id) for hit in page))
        return removed

    def _count_removed(self, of: Partition, bound: int, floor: Floor, events: Sequence[str]) -> Counts:
        """Count what is below the floor in one partition, unless that was done before."""
        change = name_of_removal(floor.since)
        counts = Counts(
            removed=sum(self._count(names, "event_time", of, bound, floor) for names in events),
            removed_rejects=self._count(self._indices.rejects, "ingested_at", of, bound, floor),
        )
        last = self._ledger.state(of).last
        if counts == Counts() or last is None:
            moved = self._ledger.moved_by(change, of)
        else:
            moved = self._ledger.move_counts(of, last.feed, counts, change)
        return Counts() if moved is None else Counts(*(getattr(moved, name) for name in COUNT_NAMES))

    def _count(self, names: str, time: str, of: Partition, bound: int, floor: Floor) -> int:
        """Count documents of a partition, before an offset, from the floor before to this one."""
        conditions: list[dict[str, Any]] = [
            {"term": {"topic": of.topic}},
            {"term": {"partition": of.partition}},
            {"range": {"offset": {"lt": bound}}},
            *between(time, floor.previous, floor.since),
        ]
        backoff = self._connection.backoff(_WHAT, None)
        path = f"/{quote(names)}"
        self._connection.request("POST", f"{path}/_refresh", what=_WHAT, backoff=backoff)
        body = {"query": all_of(conditions)}
        data = self._connection.request("POST", f"{path}/_count", body, what=_WHAT, backoff=backoff).data
        backoff.done()
        return msgspec.json.decode(data, type=_Count).count
