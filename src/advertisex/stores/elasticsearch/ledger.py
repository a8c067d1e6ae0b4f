"""The ledger in Elasticsearch: one document per partition, written last, and only over the version that was read.

`if_seq_no` and `if_primary_term` fence off a worker that lost its partition: its write fails if another worker has
written the document since it was read.

The document also contains what the last commit added. The next commit copies that to the ledger history before it
replaces the document. The copy is idempotent, so the history always agrees with the ledger.
"""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote
from uuid import uuid4

import msgspec
import polars as pl

from advertisex.errors import StoreError
from advertisex.model import COMMIT_COLUMNS, Counts, LedgerRow, Outcome, Partition, Span
from advertisex.stores.commit_time import Clock, commit_time_after, utc_now
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.conditions import all_of, between
from advertisex.stores.elasticsearch.documents import read_document, write_document
from advertisex.stores.elasticsearch.ledger_documents import (
    CommitDocument,
    LedgerDocument,
    LedgerState,
    Read,
    ReadCommit,
    Wrote,
    name_of,
    name_of_change,
)
from advertisex.stores.elasticsearch.search import search_all
from advertisex.stores.elasticsearch.times import TIME_FORMAT, iso, parse_time
from advertisex.stores.ledger_check import FLOOR_MOVED, MOVED_ON, USER_ERASED, ledger_moved
from advertisex.stores.log_identity import check_same_log
from advertisex.stores.retention import is_newer

_WHAT = "write to the ledger"


class Ledger:
    """The documents of one ledger.

    Args:
        connection: connection to the cluster.
        index: name of the ledger's index.
        history: name of the index of its history.
        clock: source of the time of an erasure.
    """

    def __init__(self, connection: Connection, index: str, history: str, clock: Clock = utc_now) -> None:
        self._connection, self._index, self._history, self._clock = connection, index, history, clock
        self._seen: set[Partition] = set()

    def rows(self, *, forever: bool = False) -> list[LedgerRow]:
        """All rows, ordered by topic and partition; with `forever`, wait for an unreachable cluster."""
        rows = [row for source in self._sources(forever=forever) if (row := source.row())]
        self._seen.update(Partition(row.topic, row.partition) for row in rows)
        return sorted(rows, key=lambda row: (row.topic.encode(), row.partition))

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        """The history since a time: `COMMIT_COLUMNS`, ordered by topic, partition and offset."""
        # the last commits first: one that is copied to the history in the meantime is read twice, not missed
        last = [source.last for source in self._sources() if source.last]
        query = all_of(between("committed_at", since, None))
        pages = search_all(self._connection, self._history, [{"_shard_doc": "asc"}], query=query)
        past = [msgspec.json.decode(hit.source, type=CommitDocument) for page in pages for hit in page]
        known = {name_of(one): one for one in [*past, *last]}
        rows = [[getattr(one, name) for name in COMMIT_COLUMNS] for one in known.values()]
        return (
            pl.DataFrame(rows, schema=COMMIT_COLUMNS | {"committed_at": pl.String()}, orient="row")
            .with_columns(pl.col("committed_at").str.to_datetime(TIME_FORMAT, time_unit="us"))
            .filter(pl.lit(value=True) if since is None else pl.col("committed_at") >= since)
            .sort("topic", "partition", "start", "end", "committed_at")
        )

    def settled(self) -> datetime | None:
        """Time of the last commit of any partition."""
        times = (parse_time(source.last.committed_at) for source in self._sources() if source.last)
        return max(times, default=None)

    def state(self, of: Partition, *, forever: bool = True) -> LedgerState:
        """The ledger state of a partition, including every completed write; `forever` waits for the cluster."""
        backoff = self._connection.backoff("read the ledger", None) if forever else None
        found = read_document(self._connection, self._path(of), Read, what="read the ledger", backoff=backoff)
        if found is None or found.source is None:
            return LedgerState(None)
        row = found.source.row()
        if row is not None:
            self._seen.add(of)
        return LedgerState(row, found.seq_no, found.primary_term, found.source)

    def at_start_of(self, span: Span) -> LedgerState:
        """The ledger state of the span's partition, which must be at the span's start.

        A partition without a row may start at any offset, because retention deletes old messages. It gets a document
        anyway, so that an erasure can fence off its first commit, too.

        Raises:
            StoreError: the span belongs to a different log.
            LedgerMoved: the ledger is at another offset.
            StoreError: the partition had a row, which is gone: a new one would omit everything counted before.
        """
        state = self.state(span.of)
        if state.row is None and span.of in self._seen:
            raise StoreError(
                "the ledger row of this partition is gone; this batch was not written",
                where=f"{span.topic}/{span.partition} in {self._index} at {self._connection.address}",
                hint="restore that index from a snapshot, or run this again to count from the start of the log",
            )
        if state.row is not None:
            check_same_log(span.of, state.row.log, span.log)
            if state.row.next_offset != span.start:
                raise ledger_moved(span, MOVED_ON)
        return self._create_document(span.of) if state.source is None else state

    def advance(self, outcome: Outcome, before: LedgerState, added: Counts, commit_time: datetime) -> None:
        """Move the checkpoint from the state that was read to the end of the outcome's span, and add its counts.

        Raises:
            LedgerMoved: another commit, an erasure or retention has written the document since.
        """
        span, commit = outcome.span, uuid4().hex
        is_fenced = not is_newer(outcome.kept_since, before.kept_since)
        self._record_last(before)
        now = iso(commit_time)
        counts = asdict(added)
        last = CommitDocument(span.topic, span.partition, outcome.feed, span.start, span.end, now, **counts)
        total = added if before.row is None else before.row.counts + added
        document = LedgerDocument(
            topic=span.topic,
            partition=span.partition,
            next_offset=span.end,
            **asdict(total),
            log=(before.row.log if before.row else "") or span.log,
            append_id=outcome.messages.append_id,
            commit=commit,
            committed_at=now,
            last=last,
            # an erasure does not update partitions without a document, but the outcome takes it into account
            erasures=max(before.erasures, outcome.erasures),
            kept_since=None if outcome.kept_since is None else iso(outcome.kept_since),
            kept_from=before.source.kept_from if is_fenced and before.source else span.start,
        )
        # If the response to our own write was lost, the retry conflicts with it
        if self._replace(before, document) is None and (current := self.state(span.of)).commit != commit:
            raise ledger_moved(span, _why_moved(before, current))
        self._seen.add(span.of)

    def fence(self, erasures: int) -> dict[Partition, int]:
        """Reject all commits that take fewer erasures into account.

        Returns:
            The next offset of each partition at that point; partitions without a row are left out.
        """
        positions = {}
        for source in list(self._sources(forever=True)):
            of = Partition(source.topic, source.partition)
            while (now := self.state(of)).source is not None:
                document = msgspec.structs.replace(now.source, erasures=max(erasures, now.erasures))
                if self._replace(now, document) is not None:
                    break
            if now.row is not None:
                positions[of] = now.row.next_offset
        return positions

    def fence_floor(self, floor: datetime) -> dict[Partition, int]:
        """Reject all commits of outcomes with an earlier floor.

        Returns:
            For each partition with a row, the offset from which on no event below the floor has been counted. A
            partition with a later floor is left out: what is below this one was removed before.
        """
        bounds = {}
        for source in list(self._sources(forever=True)):
            of = Partition(source.topic, source.partition)
            while (now := self.state(of)).source is not None and is_newer(floor, now.kept_since):
                end = 0 if now.row is None else now.row.next_offset
                document = msgspec.structs.replace(now.source, kept_since=iso(floor), kept_from=end)
                if (replaced := self._replace(now, document)) is not None:
                    now = replaced
                    break
            if now.source is not None and now.row is not None and now.kept_since == floor:
                bounds[of] = now.source.kept_from
        return bounds

    def move_counts(self, of: Partition, feed: str, added: Counts, change: str) -> CommitDocument | None:
        """Add counts that an erasure or retention moves, unless it has already done so.

        Returns:
            The change's entry in the ledger history; None if the partition has no row.
        """
        while True:
            before = self.state(of)
            if before.row is None or before.source is None:
                return None
            if (moved_before := self._moved_by(change, of, before)) is not None:
                return moved_before
            end, now = before.row.next_offset, iso(commit_time_after(before.committed_at, self._clock))
            last = CommitDocument(*of, feed, end, end, now, **asdict(added), change=change)
            counts = asdict(before.row.counts + added)
            self._record_last(before)
            document = msgspec.structs.replace(before.source, **counts, committed_at=now, last=last)
            if self._replace(before, document) is not None:
                return last

    def moved_by(self, change: str, of: Partition) -> CommitDocument | None:
        """The entry of an erasure or retention in the history of a partition, if any."""
        return self._moved_by(change, of, self.state(of))

    def _moved_by(self, change: str, of: Partition, state: LedgerState) -> CommitDocument | None:
        if state.last and state.last.change == change:
            return state.last
        name = quote(name_of_change(*of, change), safe="")
        path = f"/{quote(self._history)}/_doc/{name}"
        found = read_document(self._connection, path, ReadCommit, what="read the ledger", backoff=None)
        return None if found is None else found.source

    def _create_document(self, of: Partition) -> LedgerState:
        """Create the document of a partition that has none."""
        created = self._replace(LedgerState(None), LedgerDocument(topic=of.topic, partition=of.partition))
        return self.state(of) if created is None else created

    def _replace(self, before: LedgerState, document: LedgerDocument) -> LedgerState | None:
        """Write a document over the version that was read, or create it; None if another worker has written it."""
        fresh = before.source is None
        guard = "op_type=create" if fresh else f"if_seq_no={before.seq_no}&if_primary_term={before.primary_term}"
        backoff = self._connection.backoff(_WHAT, None)
        path = f"{self._path(Partition(document.topic, document.partition))}?{guard}"
        answer = write_document(
            self._connection, path, document, what=_WHAT, accept={HTTPStatus.CONFLICT}, backoff=backoff
        )
        if answer.status == HTTPStatus.CONFLICT:
            return None
        wrote = msgspec.json.decode(answer.data, type=Wrote)
        return LedgerState(document.row(), wrote.seq_no, wrote.primary_term, document)

    def _sources(self, *, forever: bool = False) -> Iterator[LedgerDocument]:
        order = [{"topic": "asc"}, {"partition": "asc"}]
        for page in search_all(self._connection, self._index, order, forever=forever):
            for hit in page:
                yield msgspec.json.decode(hit.source, type=LedgerDocument)

    def _record_last(self, before: LedgerState) -> None:
        """Copy the last commit to the history; idempotent."""
        if before.last is None:
            return
        one = before.last
        name = quote(name_of(one), safe="")
        backoff = self._connection.backoff(_WHAT, None)
        write_document(self._connection, f"/{quote(self._history)}/_doc/{name}", one, what=_WHAT, backoff=backoff)

    def _path(self, of: Partition) -> str:
        return f"/{quote(self._index)}/_doc/{quote(f'{of.topic}/{of.partition}', safe='')}"


def _why_moved(before: LedgerState, now: LedgerState) -> str:
    """Why a ledger document is not as it was."""
    if now.erasures > before.erasures:
        return USER_ERASED
    return FLOOR_MOVED if is_newer(now.kept_since, before.kept_since) else MOVED_ON
