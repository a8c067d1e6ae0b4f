"""The event store in Elasticsearch, for many concurrent workers; any Elasticsearch tool can read it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime

import polars as pl
from elastic_transport import BaseNode, NodeConfig, Urllib3HttpNode

from advertisex.errors import IndexGone, StoreError, StoreInterrupted, StoreMissing
from advertisex.feeds import FEEDS, Feed
from advertisex.model import (
    CAMPAIGN_COLUMNS,
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
from advertisex.stores.contract import ERASURES, EventStore, Extent, Range, RejectQuery
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.aggregations import extent_of
from advertisex.stores.elasticsearch.bulk import BulkPool
from advertisex.stores.elasticsearch.catalogue import Catalogue
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.commit import Committer
from advertisex.stores.elasticsearch.conditions import all_of, event_conditions, having_any, reject_query
from advertisex.stores.elasticsearch.counts import event_counts, reject_counts, summed, user_totals
from advertisex.stores.elasticsearch.erasure import Eraser
from advertisex.stores.elasticsearch.frames import frame_of, frames
from advertisex.stores.elasticsearch.generation import Names, find, ledgers, remains
from advertisex.stores.elasticsearch.indices import Indices
from advertisex.stores.elasticsearch.inspect import inspect
from advertisex.stores.elasticsearch.ledger import Ledger
from advertisex.stores.elasticsearch.notes import Notes
from advertisex.stores.elasticsearch.rejects import mark_jobs
from advertisex.stores.elasticsearch.retention import IndexRetention
from advertisex.stores.elasticsearch.retry import RetryPolicy
from advertisex.stores.elasticsearch.search import search_all
from advertisex.stores.elasticsearch.search_by_size import search_by_size
from advertisex.stores.format import check_format
from advertisex.stores.removal import Removal

_PROVENANCE: dict[str, pl.DataType] = {"topic": pl.String(), "partition": pl.Int32()}


class ElasticsearchStore(EventStore):
    """An event store in an Elasticsearch cluster.

    Args:
        url: `elasticsearch://user:password@host:9200`, or `elasticsearch+https://…` for TLS.
        read_only: open for queries only; no index is created.
        settings: indices, login and parallelism.
        clock: source of the commit time.
        retry: timeouts and pauses of requests.
        transport: creates the node that sends the requests.
        generation: the generation that a rebuild makes; it is not the store yet. None opens the store.

    Raises:
        ConfigurationError: the URL or the settings are invalid.
        StoreMissing: read-only, and nothing was ever stored there.
        StoreOutdated: the store has another format.
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
        generation: int | None = None,
    ) -> None:
        self._clock = clock
        self._connection = Connection(address_of(url), settings, retry, transport)
        self._pool = BulkPool(settings.parallel)
        try:
            names = self._names(settings.prefix, generation, read_only=read_only)
            self._indices = Indices(self._connection, settings, names, live=generation is None)
            if not read_only:
                self._indices.prepare()
        except BaseException:
            self.close()
            raise
        self._ledger = Ledger(self._connection, self._indices.ledger, self._indices.commits, clock)
        self._notes = Notes(self._connection, self._indices.notes)
        self._catalogue = Catalogue(self._connection, self._indices.catalogue)
        self._eraser = Eraser(self._connection, self._indices, self._ledger)
        self._retention = IndexRetention(self._connection, self._indices, self._ledger, self._notes)
        self._committer = Committer(
            self._connection,
            self._indices,
            self._ledger,
            self._notes,
            self._eraser,
            self._retention,
            self._pool,
            clock,
        )

    def prepare(self, feeds: Mapping[str, Feed]) -> None:
        with self._fenced():
            self._indices.add_own(feeds.values())

    def columns(self, feed: str) -> dict[str, pl.DataType]:
        return FEEDS[feed].columns | dict(self._indices.own().get(feed, {}))

    def rebuilt_at(self) -> datetime | None:
        found = ledgers(self._connection, [self._indices.ledger])
        return found[0].rebuilt_at if found else None

    def kept_since(self) -> datetime | None:
        floor = self._retention.floor()
        return None if floor is None else floor.since

    def import_catalogue(self, creatives: pl.DataFrame, campaigns: pl.DataFrame | None = None) -> datetime:
        flights = pl.DataFrame(schema=CAMPAIGN_COLUMNS) if campaigns is None else campaigns
        with self._fenced():
            imported_at = commit_time_after(self.settled(), self._clock)
            self._catalogue.write(creatives, flights, imported_at)
        return imported_at

    def catalogue(self, as_of: datetime | None = None) -> pl.DataFrame:
        return self._catalogue.creatives(as_of)

    def campaigns(self, as_of: datetime | None = None) -> pl.DataFrame:
        return self._catalogue.campaigns(as_of)

    def catalogue_imports(self) -> list[datetime]:
        return self._catalogue.times()

    def positions(self) -> dict[Partition, int]:
        # called when the group assigns partitions: wait for an unreachable cluster, as a commit does
        rows = self._ledger.rows(forever=True)
        return {Partition(row.topic, row.partition): row.next_offset for row in rows}

    def commit(self, outcome: Outcome) -> Counts:
        with self._fenced():
            return self._committer.commit(outcome)

    def ledger(self) -> list[LedgerRow]:
        return self._ledger.rows()

    def rejects(self, query: RejectQuery) -> pl.DataFrame:
        found = list(self.scan_rejects(query))
        return pl.concat(found) if found else pl.DataFrame(schema=STORED_REJECT_COLUMNS)

    def scan_rejects(
        self, query: RejectQuery, columns: Sequence[str] = tuple(STORED_REJECT_COLUMNS)
    ) -> Iterator[pl.DataFrame]:
        order = [{"topic": "asc"}, {"partition": "asc"}, {"offset": "asc"}]
        search = search_by_size if "payload" in columns else search_all
        pages = search(
            self._connection,
            self._indices.rejects,
            order,
            query=reject_query(query),
            limit=query.limit,
            source=[*columns],
        )
        schema = {name: STORED_REJECT_COLUMNS[name] for name in columns}
        for page in pages:
            yield frame_of([hit.source for hit in page], schema)

    def mark_replayed(self, replays: Mapping[Position, Position]) -> None:
        self._mark("replayed_to", {position: str(replay) for position, replay in replays.items()})

    def mark_resolved(self, resolutions: Mapping[Position, str | None]) -> None:
        self._mark("resolution", resolutions)

    def _mark(self, column: str, marks: Mapping[Position, str | None]) -> None:
        with self._fenced():
            for _ in self._pool.run(mark_jobs(self._connection, self._indices.rejects, column, marks)):
                pass

    def reject_counts(self, query: RejectQuery) -> pl.DataFrame:
        return reject_counts(self._connection, self._indices.rejects, reject_query(query))

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        return self._ledger.commits(since)

    def settled(self) -> datetime | None:
        return max((time for time in (self._ledger.settled(), self._catalogue.last()) if time), default=None)

    def extent(self, feed: str, within: Range) -> Extent:
        within, searched = self._searched(feed, within)
        query = all_of(event_conditions(within))
        extents = [extent_of(self._connection, names, query) for names in searched]
        return Extent(
            sum(one.events for one in extents),
            min((one.first for one in extents if one.first), default=None),
            max((one.last for one in extents if one.last), default=None),
        )

    def last_time(self, feed: str, within: Range) -> datetime | None:
        parts = self._indices.newest_first(feed, within)
        found = (self.extent(feed, part).last for part in parts)
        return next((time for time in found if time is not None), None)

    def scan(
        self,
        feed: str,
        columns: Sequence[str],
        within: Range,
        slices: range | None = None,
        among: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        dtypes = self._dtypes(feed, columns)
        within, searched = self._searched(feed, within)
        conditions = event_conditions(within, slices)
        for names in searched:
            for more in [[]] if among is None else having_any(among):
                yield from frames(self._connection, names, dtypes, all_of([*conditions, *more]))

    def count(self, feed: str, by: Sequence[str], within: Range, edges: Sequence[datetime] = ()) -> pl.DataFrame:
        dtypes = self._dtypes(feed, by)
        within, searched = self._searched(feed, within)
        return event_counts(self._connection, searched, dtypes, within, edges)

    def _dtypes(self, feed: str, columns: Sequence[str]) -> dict[str, pl.DataType]:
        known = EVENT_COLUMNS | {"processed_at": pl.Datetime("us")} | _PROVENANCE
        if not known.keys() >= set(columns):
            known |= self.columns(feed)
        return {name: known[name] for name in columns}

    def user_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        kept, searched = self._searched("clicks", within)
        conditions = event_conditions(kept)
        if campaign is not None:
            conditions.append({"term": {"campaign_id": campaign}})
        totals = user_totals(self._connection, searched, conditions)
        return self._exact_totals(within, campaign) if totals is None else totals

    def notes(self, kind: str) -> dict[str, bytes]:
        return self._notes.read(kind)

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        with self._fenced():
            self._notes.write(kind, notes)

    def suppress(self, key: str, document: bytes) -> dict[Partition, int]:
        with self._fenced():
            self._notes.write(ERASURES, {key: document})
            return self._ledger.fence(self._notes.count(ERASURES))

    def remove(self, removal: Removal) -> pl.DataFrame:
        with self._fenced():
            self._retention.complete()
            return self._eraser.remove(removal)

    def period_start(self, time: datetime) -> datetime:
        return self._indices.period_start(time)

    def drop_before(self, floor: datetime) -> Counts:
        with self._fenced():
            return self._retention.drop_before(floor)

    @property
    def retries(self) -> int:
        return self._connection.retries

    def inspect(self) -> list[Finding]:
        return inspect(self._connection, self._indices, self.ledger, self._retention.floor, self._clock)

    def interrupt(self) -> None:
        self._connection.interrupted.set()

    def close(self) -> None:
        self.interrupt()
        self._pool.close()
        self._connection.close()

    def _names(self, prefix: str, generation: int | None, *, read_only: bool) -> Names:
        if generation is not None:
            return Names(prefix, generation)
        found = find(self._connection, prefix)
        if found is not None:
            check_format(found.format, str(self._connection.address))
        elif left := remains(self._connection, prefix):
            raise left.error(str(self._connection.address))
        elif read_only:
            raise StoreMissing(
                "nothing has been stored yet",
                where=str(self._connection.address),
                hint="run `advertisex ingest` and `advertisex process` first",
            )
        return Names(prefix, found.generation if found else 1, by_alias=read_only)

    def _searched(self, feed: str, within: Range) -> tuple[Range, list[str]]:
        """The part of a range that is kept, and what to search for it: names of indices, in parts."""
        while True:
            kept = self._kept(within)
            try:
                return kept, self._indices.searched(feed, kept)
            except IndexGone:
                if self._kept(within) == kept:  # retention did not delete it meanwhile
                    raise

    def _kept(self, within: Range) -> Range:
        """The part of a range that is kept: the removal of what is below the floor may be incomplete."""
        floor = self.kept_since()
        if floor is None or (within.since is not None and within.since >= floor):
            return within
        return replace(within, since=floor)

    @contextmanager
    def _fenced(self) -> Iterator[None]:
        """Report a write that failed because a rebuilt store has taken the place of this one."""
        try:
            yield
        except StoreInterrupted:
            raise
        except StoreError as error:
            if self._is_replaced():
                what = "the store was rebuilt from the log"
                raise StoreError(what, where=error.where, hint="run this again") from error
            raise

    def _is_replaced(self) -> bool:
        names = self._indices.names
        with suppress(StoreError):
            found = find(self._connection, names.prefix)
            return found is not None and found.generation > names.generation
        return False

    def _exact_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        scanned = self.scan("clicks", ["user_id", "campaign_id", "clicks", "conversions"], within)
        return summed(
            pl.concat(f if campaign is None else f.filter(pl.col("campaign_id") == campaign) for f in scanned)
        )
