"""Commit an outcome to Elasticsearch, which has no transactions: the order of writes provides the guarantees.

First the indices of the events are listed and created, then the events are written (an id can be created only once),
then the rejects (one document per position). The indices are read back, and last comes the ledger row, which only a
worker that has read its current version can replace. After a crash in between, the next run recognises the documents by
their position.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

import polars as pl

from advertisex.errors import StoreError, StoreInterrupted
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT
from advertisex.model import EVENT_COLUMNS, REJECT_COLUMNS, Counts, Outcome
from advertisex.stores.commit_time import Clock, commit_time_after
from advertisex.stores.conflicts import conflicts, kept_whole, own_columns
from advertisex.stores.contract import ERASURES
from advertisex.stores.elasticsearch.bulk import TOO_LARGE_HINT, BulkPool, send
from advertisex.stores.elasticsearch.bulk_lines import BulkLines, chunks, lines_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.erasure import Eraser
from advertisex.stores.elasticsearch.indices import Indices
from advertisex.stores.elasticsearch.ledger import Ledger
from advertisex.stores.elasticsearch.ledger_documents import LedgerState
from advertisex.stores.elasticsearch.lookup import stored_events
from advertisex.stores.elasticsearch.notes import Notes
from advertisex.stores.elasticsearch.rejects import document_ids, without_value
from advertisex.stores.elasticsearch.retention import IndexRetention
from advertisex.stores.ledger_check import FLOOR_MOVED, USER_ERASED, ledger_moved
from advertisex.stores.retention import is_newer, without_expired


class _Written(NamedTuple):
    """Result of writing events: the stored events of those whose ids existed, and the reasons of those rejected."""

    stored: pl.DataFrame
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
        retention: IndexRetention,
        pool: BulkPool,
        clock: Clock,
    ) -> None:
        self._connection, self._indices, self._ledger, self._notes = connection, indices, ledger, notes
        self._eraser, self._retention, self._pool, self._clock = eraser, retention, pool, clock

    def commit(self, outcome: Outcome) -> Counts:
        """Write the new events, the rejects and the ledger row of an outcome."""
        _check_required(outcome)
        before = self._ledger.at_start_of(outcome.span)
        self._check_erasures(outcome, before)
        self._check_floor(outcome, before)
        try:
            return self._write(outcome, before)
        except StoreInterrupted:
            raise
        except StoreError as error:
            floor = self._retention.floor()
            if floor is not None and is_newer(floor.since, outcome.kept_since):  # it deleted an index meanwhile
                raise ledger_moved(outcome.span, FLOOR_MOVED) from error
            raise

    def _write(self, outcome: Outcome, before: LedgerState) -> Counts:
        commit_time = commit_time_after(before.committed_at, self._clock)
        stored, rejected, indices = [], dict[int, str](), list[str]()
        for written in self._pool.run(self._event_jobs(outcome, commit_time, indices)):
            stored.append(written.stored)
            rejected |= written.rejected
        found = _compare(outcome, stored, rejected)
        rejects = pl.concat([outcome.rejects, _rejected_by_store(outcome, rejected), found.conflicts])
        kept = without_expired(rejects, outcome.kept_since)
        self._write_rejects(outcome, kept, commit_time)
        self._eraser.remove_suppressed(outcome)
        self._indices.check(indices)  # none was deleted or changed meanwhile
        filtered = int((outcome.rejects["kind"] == "filtered").sum())
        counts = Counts(
            read=outcome.read,
            stored=outcome.events.height - found.duplicates - len(rejected),
            duplicate=found.duplicates + outcome.repeated.height,
            filtered=filtered,
            rejected=outcome.rejects.height - filtered + len(rejected),
            erased=outcome.suppressed.height,
            conflict=found.conflicts.height,
            redelivered=found.redelivered,
            removed_rejects=rejects.height - kept.height,
            lost=outcome.lost,
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
            raise ledger_moved(outcome.span, USER_ERASED)

    def _check_floor(self, outcome: Outcome, before: LedgerState) -> None:
        """Reject an outcome that was created before the floor moved; see `_check_erasures`."""
        if before.row is not None and not is_newer(before.kept_since, outcome.kept_since):
            return
        noted = self._retention.floor()
        since = None if noted is None else noted.since
        if is_newer(before.kept_since, since):
            raise StoreError(
                f"nothing before {before.kept_since:%Y-%m-%d} is kept, but the note about it is gone",
                where=f"{self._indices.notes} at {self._connection.address}",
                hint="restore that index from a snapshot",
            )
        if is_newer(since, outcome.kept_since):
            raise ledger_moved(outcome.span, FLOOR_MOVED)

    def _event_jobs(
        self, outcome: Outcome, commit_time: datetime, written_to: list[str]
    ) -> Iterator[Callable[[threading.Event], _Written]]:
        """The jobs that write the events; adds the names of their indices to `written_to`."""
        if not outcome.events.height:
            return
        periods = outcome.events.with_columns(self._indices.period_of(pl.col("event_time")).alias("period"))
        for (period,), events in periods.partition_by("period", as_dict=True, include_key=False).items():
            index = self._indices.create_events(outcome.feed, period)
            written_to.append(index)
            for chunk in chunks(event_documents(events, outcome, commit_time)):
                lines = lines_of(chunk, pl.col("event_id").bin.encode("hex"), "create")
                for rows in lines.parts():
                    yield partial(self._write_events, outcome, index, chunk, lines, rows)

    def _write_events(
        self, outcome: Outcome, index: str, events: pl.DataFrame, lines: BulkLines, rows: range, stop: threading.Event
    ) -> _Written:
        columns, cannot = _stored_columns(outcome), self._indices.unstorable(outcome.feed, events)
        stored, rejected = [], dict[int, str]()
        waiting: Sequence[int] = rows
        while waiting:
            result = send(self._connection, index, lines, waiting, stop, cannot)
            rejected |= {events["offset"][row]: why for row, why in result.rejected}
            ids = events["event_id"][result.conflicts].to_list()
            found, gone = stored_events(self._connection, index, ids, columns, stop)
            stored.append(found)
            waiting = [result.conflicts[place] for place in gone]  # erased in the meantime: write them now
        return _Written(pl.concat(stored), rejected)

    def _write_rejects(self, outcome: Outcome, rejects: pl.DataFrame, commit_time: datetime) -> None:
        documents = with_provenance(rejects, outcome, commit_time).with_columns(
            feed=pl.lit(outcome.feed), bytes=pl.col("payload").bin.size()
        )
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
        for row, why in result.rejected:  # a message that cannot be kept must not be counted
            size = len(lines.body([row]))
            raise StoreError(
                f"cannot store a reject of {size:,} bytes with its whole message: {without_value(why)}",
                where=str(self._connection.address),
                hint=f"{TOO_LARGE_HINT}; then run this again",
            )


class _Compared(NamedTuple):
    """What an outcome's events are besides new: numbers of redelivered and duplicate ones, and conflicts (rejects)."""

    redelivered: int
    duplicates: int
    conflicts: pl.DataFrame


def _compare(outcome: Outcome, found: Sequence[pl.DataFrame], rejected: Collection[int]) -> _Compared:
    """Compare an outcome with the stored events of the same ids.

    An event that is stored from the same position was redelivered: a commit that did not reach the ledger wrote it.
    """
    events, of = outcome.events, outcome.span.of
    known = pl.concat([pl.DataFrame(schema={"event_id": pl.Binary(), **_stored_columns(outcome)}), *found])
    position = known.select("event_id", "topic", "partition", at="offset")
    is_same = (pl.col("topic") == of.topic) & (pl.col("partition") == of.partition) & (pl.col("offset") == pl.col("at"))
    is_same = is_same.fill_null(value=False)  # another tool may have written a document of this id
    pairs = events.join(position, on="event_id").with_columns(is_redelivered=is_same)
    duplicates = pairs.filter(~pl.col("is_redelivered")).select(events.columns)
    written = events.filter(~pl.col("offset").is_in(list(rejected))).join(known, on="event_id", how="anti")
    names = ["event_id", *own_columns(outcome)]
    stored = pl.concat([known.select(names), written.select(names)])
    conflicting = conflicts(outcome, pl.concat([duplicates, outcome.repeated]), stored)
    return _Compared(pairs.height - duplicates.height, duplicates.height, conflicting)


def _stored_columns(outcome: Outcome) -> dict[str, pl.DataType]:
    """The columns of stored events that an outcome is compared with."""
    own = {name: outcome.events.schema[name] for name in own_columns(outcome)}
    return own | {"topic": pl.String(), "partition": pl.Int32(), "offset": pl.Int64()}


def event_documents(events: pl.DataFrame, outcome: Outcome, now: datetime) -> pl.DataFrame:
    """The documents of events; amounts as doubles, and as exact texts in the object `exact`."""
    amounts = [name for name in own_columns(outcome) if events.schema[name] == AMOUNT]
    texts = [pl.col(name).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".") for name in amounts]
    exact = [pl.struct(texts).alias("exact")] if texts else []
    return with_provenance(
        events.select(
            *(name for name in (*EVENT_COLUMNS, *own_columns(outcome)) if name not in amounts),
            *(pl.col(name).cast(pl.Float64) for name in amounts),
            *exact,
        ),
        outcome,
        now,
    )


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


def _rejected_by_store(outcome: Outcome, rejected: Mapping[int, str]) -> pl.DataFrame:
    """Rejects for the events that Elasticsearch rejected, each with its message."""
    offsets = sorted(rejected)
    details = [rejected[offset] for offset in offsets]
    return kept_whole(outcome.messages, offsets, "rejected", "store_rejected", details)
