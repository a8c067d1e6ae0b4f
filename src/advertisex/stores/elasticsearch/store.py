"""The event store in Elasticsearch: for many concurrent workers, and open to any Elasticsearch tool.

Elasticsearch has no transactions, so the order of writes provides the guarantees: first the events (an id is created
once, whoever tries), then the rejects (one document per position), and last the ledger row, which only the worker
that read it may replace. After a crash in between, the next run recognises its documents by their position.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl
from elastic_transport import BaseNode, NodeConfig, Urllib3HttpNode

from advertisex.errors import StoreError, StoreMissing
from advertisex.feeds import FEEDS
from advertisex.model import (
    EVENT_COLUMNS,
    STORED_REJECT_COLUMNS,
    Counts,
    Finding,
    LedgerRow,
    Outcome,
    Partition,
    Position,
)
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.commit_time import Clock, commit_time_after, utc_now
from advertisex.stores.contract import ERASURES, EventStore, Extent, Range, RejectQuery, Removal
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.bulk import BulkLines, BulkPool, chunks, lines_of, send
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.erasure import Eraser
from advertisex.stores.elasticsearch.frames import frame_of, frames
from advertisex.stores.elasticsearch.indices import Indices
from advertisex.stores.elasticsearch.inspect import inspect
from advertisex.stores.elasticsearch.ledger import Ledger, moved
from advertisex.stores.elasticsearch.ledger_documents import LedgerState
from advertisex.stores.elasticsearch.lookup import Known, known_of
from advertisex.stores.elasticsearch.notes import Notes
from advertisex.stores.elasticsearch.rejects import document_ids, mark_jobs, reject_query, without_value
from advertisex.stores.elasticsearch.retry import RetryPolicy
from advertisex.stores.elasticsearch.rows import check_required, rejected_by_store, with_provenance
from advertisex.stores.elasticsearch.search import (
    all_of,
    buckets,
    extent_of,
    in_range,
    search_all,
)

#: Elasticsearch adds up in floating point, which is exact only for integers below this.
_EXACT = 2**53
_PROVENANCE: dict[str, pl.DataType] = {"topic": pl.String(), "partition": pl.Int32()}
_TOTALS: dict[str, pl.DataType] = {"user_id": pl.String(), "clicks": pl.Int64(), "conversions": pl.Int64()}
_COUNTS: dict[str, pl.DataType] = {
    "feed": pl.String(),
    "kind": pl.String(),
    "reason": pl.String(),
    "hour": pl.Datetime("us"),
    "count": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class _Written:
    """Result of writing events: counts of those already stored, and the reasons of those rejected, by offset."""

    known: Known
    rejected: dict[int, str]


class ElasticsearchStore(EventStore):
    """An event store in an Elasticsearch cluster.

    Args:
        url: `elasticsearch://user:password@host:9200`, or `elasticsearch+https://…` for TLS.
        read_only: open for queries only; no index is created.
        settings: indices, login and parallelism.
        clock: source of the commit time.
        retry: timeouts and pauses of requests.
        transport: makes what sends the requests.

    Raises:
        ConfigurationError: the URL or the settings are invalid.
        StoreMissing: read-only, and nothing was ever stored there.
        StoreError: the cluster could not be reached, or rejected a request.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        settings: ElasticsearchSettings = ElasticsearchSettings(),
        clock: Clock = utc_now,
        retry: RetryPolicy = RetryPolicy(),
        transport: Callable[[NodeConfig], BaseNode] = Urllib3HttpNode,
    ) -> None:
        self._clock = clock
        self._connection = Connection(address_of(url), settings, retry, transport)
        self._indices = Indices(self._connection, settings)
        self._ledger = Ledger(self._connection, self._indices.ledger, self._indices.commits)
        self._notes = Notes(self._connection, self._indices.notes)
        self._eraser = Eraser(self._connection, self._indices, self._ledger)
        self._pool = BulkPool(settings.parallel)
        try:
            self._open(read_only=read_only)
        except BaseException:
            self.close()
            raise

    def positions(self) -> dict[Partition, int]:
        # called when the group assigns a partition: if the cluster is away just then, wait as a commit does
        rows = self._ledger.rows(forever=True)
        return {Partition(row.topic, row.partition): row.next_offset for row in rows}

    def commit(self, outcome: Outcome) -> Counts:
        check_required(outcome)
        before = self._ledger.at_start_of(outcome.span)
        self._check_erasures(outcome, before)
        commit_time = commit_time_after(before.committed_at, self._clock)
        known, rejected = Known(), dict[int, str]()
        for written in self._pool.run(self._event_jobs(outcome, commit_time)):
            known += written.known
            rejected |= written.rejected
        rejects = pl.concat([outcome.rejects, rejected_by_store(outcome, rejected)]) if rejected else outcome.rejects
        self._write_rejects(outcome, rejects, commit_time)
        self._eraser.remove_suppressed(outcome)
        filtered = int((rejects["kind"] == "filtered").sum())
        counts = Counts(
            read=outcome.read,
            stored=outcome.events.height - known.duplicates - len(rejected),
            duplicate=known.duplicates + outcome.repeated,
            filtered=filtered,
            rejected=rejects.height - filtered,
            erased=outcome.suppressed.height,
            redelivered=known.redelivered,
        )
        self._ledger.advance(outcome, before, counts, commit_time)
        return counts

    def ledger(self) -> list[LedgerRow]:
        return self._ledger.rows()

    def rejects(self, query: RejectQuery) -> pl.DataFrame:
        found = list(self.scan_rejects(query))
        return pl.concat(found) if found else pl.DataFrame(schema=STORED_REJECT_COLUMNS)

    def scan_rejects(self, query: RejectQuery) -> Iterator[pl.DataFrame]:
        order = [{"topic": "asc"}, {"partition": "asc"}, {"offset": "asc"}]
        pages = search_all(self._connection, self._indices.rejects, order, query=reject_query(query), limit=query.limit)
        for page in pages:
            yield frame_of(page, STORED_REJECT_COLUMNS)

    def mark_replayed(self, replays: Mapping[Position, Position]) -> None:
        for _ in self._pool.run(mark_jobs(self._connection, self._indices.rejects, replays)):
            pass

    def reject_counts(self, query: RejectQuery) -> pl.DataFrame:
        keys = ["feed", "kind", "reason"]
        groups = buckets(self._connection, self._indices.rejects, keys, hours="ingested_at", query=reject_query(query))
        rows = [(*group["key"].values(), group["doc_count"]) for group in groups]
        return pl.DataFrame(rows, schema=_COUNTS | {"hour": pl.Int64()}, orient="row").with_columns(
            pl.from_epoch("hour", "ms").cast(pl.Datetime("us"))
        )

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        return self._ledger.commits(since)

    def settled(self) -> datetime | None:
        return self._ledger.settled()

    def extent(self, feed: str, within: Range) -> Extent:
        return extent_of(self._connection, self._indices.alias(feed), all_of(in_range(within)))

    def scan(self, feed: str, columns: Sequence[str], within: Range) -> Iterator[pl.DataFrame]:
        known = EVENT_COLUMNS | FEEDS[feed].columns | {"processed_at": pl.Datetime("us")} | _PROVENANCE
        asked = {name: known[name] for name in columns}
        yield from frames(self._connection, self._indices.alias(feed), asked, all_of(in_range(within)))

    def user_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        conditions = in_range(within)
        if campaign is not None:
            conditions.append({"term": {"campaign_id": campaign}})
        groups = buckets(
            self._connection,
            self._indices.alias("clicks"),
            ["user_id"],
            query=all_of(conditions),
            sums=("clicks", "conversions"),
        )
        rows = [(group["key"]["user_id"], group["clicks"]["value"], group["conversions"]["value"]) for group in groups]
        if any(max(clicks, conversions) >= _EXACT for _, clicks, conversions in rows):
            return self._exact_totals(within, campaign)
        totals = [(user, int(clicks), int(conversions)) for user, clicks, conversions in rows]
        return pl.DataFrame(totals, schema=_TOTALS, orient="row")

    def notes(self, kind: str) -> dict[str, bytes]:
        return self._notes.read(kind)

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        self._notes.write(kind, notes)

    def suppress(self, key: str, document: bytes) -> dict[Partition, int]:
        self._notes.write(ERASURES, {key: document})
        return self._ledger.fence(self._notes.count(ERASURES))

    def remove(self, removal: Removal) -> pl.DataFrame:
        return self._eraser.remove(removal)

    @property
    def retries(self) -> int:
        return self._connection.retries

    def inspect(self) -> list[Finding]:
        return inspect(self._connection, self._indices, self.ledger(), self._clock)

    def interrupt(self) -> None:
        self._connection.interrupted.set()

    def close(self) -> None:
        self.interrupt()
        self._pool.close()
        self._connection.close()

    def _open(self, *, read_only: bool) -> None:
        if not read_only:
            self._indices.prepare()
        elif not self._indices.exists():
            raise StoreMissing(
                "nothing has been stored yet",
                where=str(self._connection.address),
                hint="run `advertisex ingest` and `advertisex process` first",
            )

    def _check_erasures(self, outcome: Outcome, before: LedgerState) -> None:
        """Reject an outcome that was created without a later erasure.

        An erasure updates only the ledger documents that exist by then, so a partition without a row may have missed
        it: its notes are counted instead.
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
        for _, why in result.rejected:  # it cannot be kept anywhere else
            raise StoreError(f"cannot store a reject: {without_value(why)}", where=str(self._connection.address))

    def _exact_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        scanned = self.scan("clicks", ["user_id", "campaign_id", "clicks", "conversions"], within)
        kept = [f if campaign is None else f.filter(pl.col("campaign_id") == campaign) for f in scanned]
        return pl.concat(kept).group_by("user_id").agg(pl.col("clicks", "conversions").sum()).sort("user_id")
