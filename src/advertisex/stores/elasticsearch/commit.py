"""Commit an outcome to Elasticsearch, which has no transactions: the order of writes provides the guarantees.

First the events are written (an id can be created only once), then the rejects (one document per position), and last
the ledger row, which only a worker that has read its current version can replace. After a crash in between, the next
run recognises the documents by their position.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.model import EVENT_COLUMNS, REJECT_COLUMNS, Counts, Outcome
from advertisex.stores.commit_time import Clock, commit_time_after
from advertisex.stores.contract import ERASURES
from advertisex.stores.elasticsearch.bulk import BulkPool, send
from advertisex.stores.elasticsearch.bulk_lines import BulkLines, chunks, lines_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.erasure import Eraser
from advertisex.stores.elasticsearch.indices import Indices
from advertisex.stores.elasticsearch.ledger import Ledger, moved
from advertisex.stores.elasticsearch.ledger_documents import LedgerState
from advertisex.stores.elasticsearch.lookup import Known, known_of
from advertisex.stores.elasticsearch.notes import Notes
from advertisex.stores.elasticsearch.rejects import document_ids, without_value


@dataclass(frozen=True, slots=True)
class _Written:
    """Result of writing events: counts of those already stored, and the reasons of those rejected, by offset."""

    known: Known
    rejected: dict[int, str]


class Committer:
    """Commits to the indices of one store."""

    def __init__(
        self,
        connection: Connection,
        indices: Indices,
        ledger: Ledger,
        notes: Notes,
        eraser: Eraser,
        pool: BulkPool,
        clock: Clock,
    ) -> None:
        self._connection, self._indices, self._ledger, self._notes = connection, indices, ledger, notes
        self._eraser, self._pool, self._clock = eraser, pool, clock

    def commit(self, outcome: Outcome) -> Counts:
        """Write the new events, the rejects and the ledger row of an outcome."""
        _check_required(outcome)
        before = self._ledger.at_start_of(outcome.span)
        self._check_erasures(outcome, before)
        commit_time = commit_time_after(before.committed_at, self._clock)
        known, rejected = Known(), dict[int, str]()
        for written in self._pool.run(self._event_jobs(outcome, commit_time)):
            known += written.known
            rejected |= written.rejected
        rejects = pl.concat([outcome.rejects, _rejected_by_store(outcome, rejected)]) if rejected else outcome.rejects
        self._write_rejects(outcome, rejects, commit_time)
        self._eraser.remove_suppressed(outcome)
        filtered = int((rejects["kind"] == "filtered").sum())
        counts = Counts(
            read=outcome.read,
            stored=outcome.events.height - known.duplicates - len(rejected),
            duplicate=known.duplicates + outcome.repeated.height,
            filtered=filtered,
            rejected=rejects.height - filtered,
            erased=outcome.suppressed.height,
            redelivered=known.redelivered,
        )
        self._ledger.advance(outcome, before, counts, commit_time)
        return counts

    def _check_erasures(self, outcome: Outcome, before: LedgerState) -> None:
        """Reject an outcome that was created before the last erasure.

        An erasure updates only the ledger documents that exist at the time. A partition without a row may have missed
        it, so the notes are counted instead.
        """
        if before.row is not None and before.erasures <= outcome.erasures:
            return
        noted = self._notes.count(ERASURES)
        if noted < before.erasures:
            raise StoreError(
                f"{before.erasures} users were erased, but only {noted} have a note: the others would be stored again",
                where=f"{self._indices.notes} at {self._connection.address}",
                hint="restore that index from a snapshot",
            )
        if noted > outcome.erasures:
            raise moved(outcome.span, "a user was erased in the meantime")

    def _event_jobs(self, outcome: Outcome, commit_time: datetime) -> Iterator[Callable[[threading.Event], _Written]]:
        if not outcome.events.height:
            return
        periods = outcome.events.with_columns(self._indices.period_of(pl.col("event_time")).alias("period"))
        for (period,), events in periods.partition_by("period", as_dict=True, include_key=False).items():
            index = f"{self._indices.alias(outcome.feed)}-{period}"
            self._indices.create(index)
            for chunk in chunks(with_provenance(events, outcome, commit_time)):
                lines = lines_of(chunk, pl.col("event_id").bin.encode("hex"), "create")
                for rows in lines.parts():
                    yield partial(self._write_events, outcome, index, chunk, lines, rows)

    def _write_events(
        self, outcome: Outcome, index: str, events: pl.DataFrame, lines: BulkLines, rows: range, stop: threading.Event
    ) -> _Written:
        known, rejected = Known(), dict[int, str]()
        waiting: Sequence[int] = rows
        while waiting:
            result = send(self._connection, index, lines, waiting, stop)
            rejected |= {events["offset"][row]: why for row, why in result.rejected}
            found, gone = known_of(self._connection, index, events[result.conflicts], outcome.span.of, stop)
            known += found
            waiting = [result.conflicts[place] for place in gone]  # erased in the meantime: write them now
        return _Written(known, rejected)

    def _write_rejects(self, outcome: Outcome, rejects: pl.DataFrame, commit_time: datetime) -> None:
        documents = with_provenance(rejects, outcome, commit_time).with_columns(feed=pl.lit(outcome.feed))
        jobs = (
            partial(self._write_some_rejects, lines, rows)
            for chunk in chunks(documents)
            for lines in [lines_of(chunk, document_ids(), "index")]
            for rows in lines.parts()
        )
        for _ in self._pool.run(jobs):
            pass

    def _write_some_rejects(self, lines: BulkLines, rows: range, stop: threading.Event) -> None:
        result = send(self._connection, self._indices.rejects, lines, rows, stop)
        for _, why in result.rejected:  # a message that cannot be kept must not be counted
            raise StoreError(f"cannot store a reject: {without_value(why)}", where=str(self._connection.address))


def with_provenance(frame: pl.DataFrame, outcome: Outcome, now: datetime) -> pl.DataFrame:
    """Add topic, partition and processed_at to rows of an outcome."""
    return frame.with_columns(
        topic=pl.lit(outcome.span.topic),
        partition=pl.lit(outcome.span.partition, pl.Int32),
        processed_at=pl.lit(now, pl.Datetime("us")),
    )


def _check_required(outcome: Outcome) -> None:
    """Check the required columns of an outcome, before any of it is written.

    Raises:
        StoreError: a required column has a null.
    """
    required = {f.column for f in FEEDS[outcome.feed].fields if f.required} | set(EVENT_COLUMNS)
    for frame, columns in ((outcome.events, required), (outcome.rejects, set(REJECT_COLUMNS))):
        lacking = [name for name in sorted(columns) if frame[name].null_count()]
        if lacking:
            raise StoreError(
                f"cannot write to the event store: {lacking[0]} is missing in a row",
                where=f"{outcome.span.topic}/{outcome.span.partition}/{outcome.span.start}",
                hint="this is a bug: please report it",
            )


def _rejected_by_store(outcome: Outcome, rejected: dict[int, str]) -> pl.DataFrame:
    """Rejects for the events that Elasticsearch rejected, each with its message."""
    messages = outcome.messages
    rows = [row for row, offset in enumerate(messages.offsets) if offset in rejected]
    offsets = [messages.offsets[row] for row in rows]
    return pl.DataFrame(
        {
            "offset": offsets,
            "detail": [rejected[offset] for offset in offsets],
            "payload": [messages.payloads[row] for row in rows],
            "ingested_at": pl.Series([messages.ingested_at[row] for row in rows], dtype=pl.Int64).cast(
                pl.Datetime("us")
            ),
        }
    ).select(
        "offset",
        kind=pl.lit("rejected"),
        stage=pl.lit("store"),
        reason=pl.lit("store_rejected"),
        detail="detail",
        payload="payload",
        ingested_at="ingested_at",
    )
