"""The embedded event store: one DuckDB file, one transaction per commit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import RLock
from time import monotonic, sleep
from typing import Any

import duckdb
import polars as pl

from advertisex.errors import StoreBusy, StoreMissing
from advertisex.feeds import Feed
from advertisex.files.durable import real, replace
from advertisex.files.making import making
from advertisex.model import (
    CAMPAIGN_COLUMNS,
    CATALOGUE_COLUMNS,
    COMMIT_COLUMNS,
    MARK_COLUMNS,
    STORED_REJECT_COLUMNS,
    Counts,
    Finding,
    LedgerRow,
    Outcome,
    Partition,
    Position,
)
from advertisex.settings.model import DEFAULT_MEMORY
from advertisex.stores.commit_time import Clock, commit_time_after, utc_now
from advertisex.stores.contract import ERASURES, EventStore, Extent, Range, RejectQuery, intervals
from advertisex.stores.duckdb.commit import floor_of, write
from advertisex.stores.duckdb.conditions import commit_conditions, event_conditions, reject_conditions
from advertisex.stores.duckdb.erasure import copy_live_rows, delete
from advertisex.stores.duckdb.faults import explanation
from advertisex.stores.duckdb.file import (
    check_not_lost,
    commit,
    connect,
    connect_again,
    create_tables,
    disconnect,
    holds_nothing,
    make_store,
    nothing_in,
)
from advertisex.stores.duckdb.frames import frame_of, registered, scan_table
from advertisex.stores.duckdb.inspect import findings, ledger_of
from advertisex.stores.duckdb.readers import Readers
from advertisex.stores.duckdb.rejects import scan_rejects
from advertisex.stores.duckdb.retention import drop, period_start
from advertisex.stores.duckdb.schema import added_columns, format_of, own_columns
from advertisex.stores.format import check_format
from advertisex.stores.removal import Removal

#: How long to wait until no thread reads, to rewrite the file; and how long an attempt holds off those who begin.
_UNREAD_SECONDS, _HOLD_OFF_SECONDS = 120.0, 1.0


class DuckdbStore(EventStore):
    """An event store in one DuckDB file.

    Args:
        path: the database file; `:memory:` for a store in memory, private to this object and discarded with it.
        read_only: open for queries only. Several readers can open a store at once, but not alongside a writer. A
            store that is opened for writing is created if it does not exist.
        memory: DuckDB's memory limit, for example "512MB"; beyond it, DuckDB spills to disk next to the file.
        clock: source of the commit time.

    Raises:
        StoreMissing: read-only, and the file does not exist.
        StoreBusy: another process has the store open.
        StoreError: the file could not be opened, holds nothing, or is not an event store.
    """

    retries = 0  # no server is involved

    def __init__(
        self, path: Path, *, read_only: bool = False, memory: str = DEFAULT_MEMORY, clock: Clock = utc_now
    ) -> None:
        self._path, self._memory, self._clock = path, memory, clock
        self._closed = False
        self._writing, self._readers = RLock(), Readers()
        self._read_only, self._file = read_only, None if str(path) == ":memory:" else path
        if read_only and not path.exists():
            check_not_lost(path)
            raise StoreMissing(
                "nothing has been stored yet",
                where=str(path),
                hint="run `advertisex ingest` and `advertisex process` first",
            )
        with self._explained("cannot open the event store"):
            if self._file and not read_only:
                make_store(path)
            if self._file and holds_nothing(path):
                raise nothing_in(path)
            self._db = connect(path, read_only=read_only, memory=memory)
            try:
                self._open()
            except BaseException:
                self.close()
                raise

    def _open(self) -> None:
        found = format_of(self._db)
        if found is not None:
            check_format(found, str(self._path))
        elif self._file:
            raise nothing_in(self._path)
        else:
            with self._transaction():
                create_tables(self._db)

    def prepare(self, feeds: Mapping[str, Feed]) -> None:
        with self._explained("cannot write to the event store"), self._transaction():
            for feed in feeds.values():
                for statement in added_columns(feed, own_columns(self._db, feed.name)):
                    self._db.execute(statement)

    def columns(self, feed: str) -> dict[str, pl.DataType]:
        with self._explained("cannot read the event store"), self._connection() as connection:
            return own_columns(connection, feed)

    def rebuilt_at(self) -> datetime | None:
        found: datetime | None = self._frame("SELECT rebuilt_at FROM store", []).item()
        return found

    def kept_since(self) -> datetime | None:
        with self._explained("cannot read the event store"), self._connection() as connection:
            floor = floor_of(connection)
        return None if floor is None else floor.since

    def positions(self) -> dict[Partition, int]:
        return {Partition(row.topic, row.partition): row.next_offset for row in self.ledger()}

    def commit(self, outcome: Outcome) -> Counts:
        with self._explained("cannot write to the event store"), self._transaction():
            return write(self._db, outcome, commit_time_after(self.settled(), self._clock))

    def ledger(self) -> list[LedgerRow]:
        with self._explained("cannot read the event store"), self._connection() as connection:
            return ledger_of(connection)

    def rejects(self, query: RejectQuery) -> pl.DataFrame:
        return pl.concat([pl.DataFrame(schema=STORED_REJECT_COLUMNS), *self.scan_rejects(query)])

    def scan_rejects(
        self, query: RejectQuery, columns: Sequence[str] = tuple(STORED_REJECT_COLUMNS)
    ) -> Iterator[pl.DataFrame]:
        with self._explained("cannot read the event store"), self._connection() as connection:
            yield from scan_rejects(connection, query, columns)

    def mark_replayed(self, replays: Mapping[Position, Position]) -> None:
        self._mark("replayed_to", {position: str(replay) for position, replay in replays.items()})

    def mark_resolved(self, resolutions: Mapping[Position, str | None]) -> None:
        self._mark("resolution", resolutions)

    def _mark(self, column: str, marks: Mapping[Position, str | None]) -> None:
        rows = pl.DataFrame([(*at, mark) for at, mark in marks.items()], schema=MARK_COLUMNS, orient="row")
        with (
            self._explained("cannot write to the event store"),
            self._writing,
            self._connection() as connection,
            self._transaction_of(connection),
            registered(connection, "marks", rows),
        ):
            connection.execute(
                f"UPDATE rejects r SET {column} = m.mark FROM marks m "
                'WHERE r.topic = m.topic AND r.partition = m.partition AND r."offset" = m."offset"'
            )

    def reject_counts(self, query: RejectQuery) -> pl.DataFrame:
        where, values = reject_conditions(query)
        return self._frame(
            "SELECT feed, kind, reason, date_trunc('hour', ingested_at)::TIMESTAMP AS hour, count(*) AS count "
            f"FROM rejects {where} GROUP BY ALL ORDER BY ALL",
            values,
        )

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        columns = ", ".join(f'"{name}"' for name in COMMIT_COLUMNS)
        order = 'topic, partition, "start", "end", committed_at'
        where, values = commit_conditions(since)
        return self._frame(f"SELECT {columns} FROM commits {where} ORDER BY {order}", values)

    def settled(self) -> datetime | None:
        query = (
            "SELECT greatest((SELECT max(committed_at) FROM commits), (SELECT max(imported_at) FROM catalogue_imports))"
        )
        found: datetime | None = self._frame(query, []).item()
        return found

    def extent(self, feed: str, within: Range) -> Extent:
        where, values = event_conditions(within)
        found = self._frame(f"SELECT count(*), min(event_time), max(event_time) FROM {feed} {where}", values)
        return Extent(*found.row(0))

    def last_time(self, feed: str, within: Range) -> datetime | None:
        where, values = event_conditions(within)
        found: datetime | None = self._frame(f"SELECT max(event_time) FROM {feed} {where}", values).item()
        return found

    def scan(
        self,
        feed: str,
        columns: Sequence[str],
        within: Range,
        slices: range | None = None,
        among: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        where, values = event_conditions(within, slices)
        names = ", ".join("event_id::BLOB AS event_id" if c == "event_id" else f'"{c}"' for c in columns)
        with self._explained("cannot read the event store"), self._connection() as connection:
            yield from scan_table(connection, feed, names, where, values, among)

    def count(self, feed: str, by: Sequence[str], within: Range, edges: Sequence[datetime] = ()) -> pl.DataFrame:
        names = ", ".join(f'"{name}"' for name in by)
        # a query for each interval reads only its part of the table; placing each event in its interval is slower
        counts = []
        with self._explained("cannot read the event store"), self._connection() as connection:
            connection.begin()  # one snapshot; closing the connection ends it
            for number, part in intervals(within, edges):
                where, values = event_conditions(part)
                columns = f"{names}, {number}::UINTEGER AS _interval, count(*) AS _events"
                counts.append(frame_of(connection, f"SELECT {columns} FROM {feed} {where} GROUP BY ALL", values))
        return pl.concat(counts)

    def user_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        where, values = event_conditions(within)
        if campaign is not None:
            where = f"{where or 'WHERE true'} AND campaign_id = ?"
            values.append(campaign)
        return self._frame(
            "SELECT user_id, sum(clicks)::BIGINT AS clicks, sum(conversions)::BIGINT AS conversions "
            f"FROM clicks {where} GROUP BY user_id ORDER BY user_id",
            values,
        )

    def import_catalogue(self, creatives: pl.DataFrame, campaigns: pl.DataFrame | None = None) -> datetime:
        flights = pl.DataFrame(schema=CAMPAIGN_COLUMNS) if campaigns is None else campaigns
        with self._explained("cannot write to the event store"), self._transaction():
            imported_at = commit_time_after(self.settled(), self._clock)
            self._db.execute("INSERT INTO catalogue_imports VALUES (?)", (imported_at,))
            for table, rows in (
                ("catalogue", creatives.select(list(CATALOGUE_COLUMNS))),
                ("campaigns", flights.select(list(CAMPAIGN_COLUMNS))),
            ):
                with registered(self._db, "rows", rows):
                    self._db.execute(f"INSERT INTO {table} SELECT ?, * FROM rows", (imported_at,))
        return imported_at

    def restore_catalogue(self, imports: pl.DataFrame, creatives: pl.DataFrame, campaigns: pl.DataFrame) -> None:
        """Replace all imports of the catalogue by those of another store.

        Args:
            imports: imported_at.
            creatives: imported_at, and `CATALOGUE_COLUMNS`.
            campaigns: imported_at, and `CAMPAIGN_COLUMNS`.
        """
        tables = {"catalogue_imports": imports, "catalogue": creatives, "campaigns": campaigns}
        with self._explained("cannot write to the event store"), self._transaction():
            for table, rows in tables.items():
                with registered(self._db, "rows", rows):
                    self._db.execute(f"DELETE FROM {table}")
                    self._db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM rows")

    def mark_rebuilt(self) -> None:
        """Record that nothing is known of the time before the last commit (see `rebuilt_at`)."""
        with self._explained("cannot write to the event store"):
            with self._transaction():
                self._db.execute("UPDATE store SET rebuilt_at = ?", (self.settled(),))
            self._db.execute("CHECKPOINT")  # leaves no write-ahead log behind

    def catalogue(self, as_of: datetime | None = None) -> pl.DataFrame:
        return self._imported("catalogue", CATALOGUE_COLUMNS, "creative_id, valid_from NULLS FIRST", as_of)

    def campaigns(self, as_of: datetime | None = None) -> pl.DataFrame:
        return self._imported("campaigns", CAMPAIGN_COLUMNS, 'campaign_id, "start"', as_of)

    def _imported(self, table: str, columns: Iterable[str], order: str, as_of: datetime | None) -> pl.DataFrame:
        """A table of the catalogue as of a time."""
        names = ", ".join(f'"{name}"' for name in columns)
        return self._frame(
            f"SELECT {names} FROM {table} WHERE imported_at = "
            "(SELECT max(imported_at) FROM catalogue_imports WHERE imported_at <= coalesce(?, imported_at)) "
            f"ORDER BY {order}",
            [as_of],
        )

    def catalogue_imports(self) -> list[datetime]:
        return self._frame("SELECT imported_at FROM catalogue_imports ORDER BY 1", []).to_series().to_list()

    def notes(self, kind: str) -> dict[str, bytes]:
        return dict(self._frame("SELECT key, document FROM notes WHERE kind = ? ORDER BY key", [kind]).iter_rows())

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        with (
            self._explained("cannot write to the event store"),
            self._writing,
            self._connection() as connection,
            self._transaction_of(connection),
        ):
            for key, document in notes.items():
                if document is None:
                    connection.execute("DELETE FROM notes WHERE kind = ? AND key = ?", (kind, key))
                else:
                    connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (kind, key, document))

    def suppress(self, key: str, document: bytes) -> dict[Partition, int]:
        with self._writing:  # a commit that began without knowledge of it has ended, or is rejected
            self.take_note(ERASURES, {key: document})
            return self.positions()

    def remove(self, removal: Removal) -> pl.DataFrame:
        with self._explained("cannot write to the event store"):
            with self._transaction():
                removed = delete(self._db, removal, commit_time_after(self.settled(), self._clock))
            if self._file:  # otherwise no file contains the deleted bytes
                self._rewrite_when_unread()
        return removed

    def period_start(self, time: datetime) -> datetime:
        return period_start(time)

    def drop_before(self, floor: datetime) -> Counts:
        with self._explained("cannot write to the event store"), self._writing:
            with self._transaction():
                removed = drop(self._db, floor, commit_time_after(self.settled(), self._clock))
            if removed.removed or removed.removed_rejects:
                with suppress(duckdb.TransactionException):  # somebody is reading: a later commit does it
                    self._db.execute("CHECKPOINT")  # the freed blocks can be used again
        return removed

    def inspect(self) -> list[Finding]:
        with self._explained("cannot read the event store"), self._connection() as connection:
            return findings(connection, self._path)

    def interrupt(self) -> None:
        """Do nothing: no commit waits for a server."""

    def close(self) -> None:
        with self._writing:
            if not self._closed:
                self._closed = True  # another process can use the file from now on
                disconnect(self._db, self._file, read_only=self._read_only)

    def _rewrite_when_unread(self) -> None:
        """Rewrite the file once no thread reads it; until then, commits and reads go on in between."""
        until = monotonic() + _UNREAD_SECONDS
        while True:
            with self._writing, self._readers.held_off(_HOLD_OFF_SECONDS) as nobody_reads:
                if nobody_reads:
                    self._rewrite_file()
                    return
            if monotonic() >= until:
                raise StoreBusy(
                    "the events are removed, but the erasure is not complete: the store is being read all the time",
                    where=str(self._path),
                    hint="run the same command again: it completes the erasure",
                )
            sleep(_HOLD_OFF_SECONDS)

    def _rewrite_file(self) -> None:
        path = real(self._path)
        with making(path) as new:
            copy_live_rows(self._db, new)
            replace(path, new)  # while the old file is locked: what another process wrote to it would be lost
        self._db.close()
        self._closed = True  # another process can use the file until it is open again
        self._db = connect_again(self._path, memory=self._memory)
        self._closed = False

    def _frame(self, query: str, values: Sequence[Any]) -> pl.DataFrame:
        with self._explained("cannot read the event store"), self._connection() as connection:
            return frame_of(connection, query, values)

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A separate connection, so that it can be used while another thread commits."""
        with self._readers.reading(), self._db.cursor() as connection:
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction of the connection that commits; one thread at a time has it."""
        with self._writing, self._transaction_of(self._db):
            yield

    @contextmanager
    def _transaction_of(self, db: duckdb.DuckDBPyConnection) -> Iterator[None]:
        db.begin()
        try:
            yield
            commit(db, self._file)
        except BaseException:
            with suppress(duckdb.Error):  # a failed commit has already rolled back
                db.rollback()
            raise

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, OSError) as error:
            raise explanation(what, error, self._path) from error
