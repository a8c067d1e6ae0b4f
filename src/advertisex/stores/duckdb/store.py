"""The embedded event store: one DuckDB file, one transaction per commit."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from advertisex.errors import StoreBusy, StoreError, StoreMissing
from advertisex.feeds import FEEDS, Feed
from advertisex.model import (
    CATALOGUE_COLUMNS,
    COMMIT_COLUMNS,
    COUNT_NAMES,
    Counts,
    Finding,
    LedgerRow,
    Outcome,
    Partition,
    Position,
)
from advertisex.settings.model import DEFAULT_MEMORY
from advertisex.stores.commit_time import Clock, commit_time_after, utc_now
from advertisex.stores.contract import ERASURES, EventStore, Extent, Range, RejectQuery
from advertisex.stores.duckdb.commit import floor_of, write
from advertisex.stores.duckdb.conditions import commit_conditions, event_conditions, reject_conditions, reject_statement
from advertisex.stores.duckdb.erasure import copy_live_rows, delete, replace, target
from advertisex.stores.duckdb.registered import registered
from advertisex.stores.duckdb.retention import drop, period_start
from advertisex.stores.duckdb.schema import added_columns, format_of, own_columns, statements
from advertisex.stores.format import check_format
from advertisex.stores.ledger_check import Held, counted
from advertisex.stores.removal import Removal

_TABLES = (*FEEDS, "rejects")
_SCAN_ROWS = 1_000_000
#: Smaller than `_SCAN_ROWS`, because the payloads of rejects may be large.
_SCAN_REJECTS = 2_048
#: Never download an extension to read a file that is not a DuckDB database.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


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
        StoreError: the file could not be opened, or is not an event store.
    """

    retries = 0  # no server is involved

    def __init__(
        self, path: Path, *, read_only: bool = False, memory: str = DEFAULT_MEMORY, clock: Clock = utc_now
    ) -> None:
        self._path, self._clock = path, clock
        nothing = StoreMissing(
            "nothing has been stored yet",
            where=str(path),
            hint="run `advertisex ingest` and `advertisex process` first",
        )
        if read_only and not path.exists():
            raise nothing
        with self._explained("cannot open the event store"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._config = CONFIG | {"memory_limit": memory}
            self._db = self._connected(read_only=read_only)
            try:
                self._open(read_only=read_only, nothing=nothing)
            except BaseException:
                self._db.close()
                raise

    def _open(self, *, read_only: bool, nothing: StoreMissing) -> None:
        found = format_of(self._db)
        if found is not None:
            check_format(found, str(self._path))
        elif read_only:
            raise nothing  # an interrupted first run left it without tables
        else:
            with self._transaction():
                for statement in statements():
                    self._db.execute(statement)

    def prepare(self, feeds: Mapping[str, Feed]) -> None:
        with self._explained("cannot write to the event store"), self._transaction():
            for feed in feeds.values():
                for statement in added_columns(feed, own_columns(self._db, feed.name)):
                    self._db.execute(statement)

    def columns(self, feed: str) -> dict[str, pl.DataType]:
        with self._explained("cannot read the event store"), self._db.cursor() as connection:
            return own_columns(connection, feed)

    def rebuilt_at(self) -> datetime | None:
        found: datetime | None = self._frame("SELECT rebuilt_at FROM store", []).item()
        return found

    def kept_since(self) -> datetime | None:
        with self._explained("cannot read the event store"), self._db.cursor() as connection:
            floor = floor_of(connection)
        return None if floor is None else floor.since

    def positions(self) -> dict[Partition, int]:
        return {Partition(row.topic, row.partition): row.next_offset for row in self.ledger()}

    def commit(self, outcome: Outcome) -> Counts:
        with self._explained("cannot write to the event store"), self._transaction():
            return write(self._db, outcome, commit_time_after(self.settled(), self._clock))

    def ledger(self) -> list[LedgerRow]:
        columns = f"topic, partition, next_offset, log, {', '.join(COUNT_NAMES)}"
        rows = self._frame(f"SELECT {columns} FROM ledger ORDER BY topic, partition", []).iter_rows()
        return [LedgerRow(topic, number, end, Counts(*counts), log or "") for topic, number, end, log, *counts in rows]

    def rejects(self, query: RejectQuery) -> pl.DataFrame:
        return self._frame(*reject_statement(query))

    def scan_rejects(self, query: RejectQuery) -> Iterator[pl.DataFrame]:
        yield from self._frames(*reject_statement(query), _SCAN_REJECTS)

    def mark_replayed(self, replays: Mapping[Position, Position]) -> None:
        marks = pl.DataFrame(
            [(*position, str(replay)) for position, replay in replays.items()],
            schema=["topic", "partition", "offset", "replay"],
            orient="row",
        )
        with (
            self._explained("cannot write to the event store"),
            self._db.cursor() as connection,
            self._transaction(connection),
            registered(connection, "marks", marks),
        ):
            connection.execute(
                "UPDATE rejects r SET replayed_to = m.replay FROM marks m "
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

    def scan(
        self, feed: str, columns: Sequence[str], within: Range, slices: range | None = None
    ) -> Iterator[pl.DataFrame]:
        where, values = event_conditions(within, slices)
        names = ", ".join("event_id::BLOB AS event_id" if c == "event_id" else f'"{c}"' for c in columns)
        yield from self._frames(f"SELECT {names} FROM {feed} {where}", values, _SCAN_ROWS)

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

    def import_catalogue(self, rows: pl.DataFrame) -> datetime:
        with self._explained("cannot write to the event store"), self._transaction():
            imported_at = commit_time_after(self.settled(), self._clock)
            self._db.execute("INSERT INTO catalogue_imports VALUES (?)", (imported_at,))
            with registered(self._db, "rows", rows.select(list(CATALOGUE_COLUMNS))):
                self._db.execute("INSERT INTO catalogue SELECT ?, * FROM rows", (imported_at,))
        return imported_at

    def restore_catalogue(self, imports: pl.DataFrame, rows: pl.DataFrame) -> None:
        """Replace all imports of the catalogue by those of another store: imported_at, and `CATALOGUE_COLUMNS`."""
        with (
            self._explained("cannot write to the event store"),
            self._transaction(),
            registered(self._db, "imports", imports),
            registered(self._db, "rows", rows),
        ):
            for table, frame in (("catalogue_imports", "imports"), ("catalogue", "rows")):
                self._db.execute(f"DELETE FROM {table}")
                self._db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM {frame}")

    def mark_rebuilt(self) -> None:
        """Record that nothing is known of the time before the last commit (see `rebuilt_at`)."""
        with self._explained("cannot write to the event store"):
            with self._transaction():
                self._db.execute("UPDATE store SET rebuilt_at = ?", (self.settled(),))
            self._db.execute("CHECKPOINT")  # leaves no write-ahead log behind

    def catalogue(self, as_of: datetime | None = None) -> pl.DataFrame:
        return self._frame(
            f"SELECT {', '.join(CATALOGUE_COLUMNS)} FROM catalogue WHERE imported_at = "
            "(SELECT max(imported_at) FROM catalogue_imports WHERE imported_at <= coalesce(?, imported_at)) "
            "ORDER BY creative_id, valid_from NULLS FIRST",
            [as_of],
        )

    def catalogue_imports(self) -> list[datetime]:
        return self._frame("SELECT imported_at FROM catalogue_imports ORDER BY 1", []).to_series().to_list()

    def notes(self, kind: str) -> dict[str, bytes]:
        return dict(self._frame("SELECT key, document FROM notes WHERE kind = ? ORDER BY key", [kind]).iter_rows())

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        with (
            self._explained("cannot write to the event store"),
            self._db.cursor() as connection,
            self._transaction(connection),
        ):
            for key, document in notes.items():
                if document is None:
                    connection.execute("DELETE FROM notes WHERE kind = ? AND key = ?", (kind, key))
                else:
                    connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (kind, key, document))

    def suppress(self, key: str, document: bytes) -> dict[Partition, int]:
        self.take_note(ERASURES, {key: document})
        return self.positions()

    def remove(self, removal: Removal) -> pl.DataFrame:
        with self._explained("cannot write to the event store"):
            with self._transaction():
                removed = delete(self._db, removal, commit_time_after(self.settled(), self._clock))
            if str(self._path) != ":memory:":  # otherwise no file contains the deleted bytes
                self._rewrite_file()
        return removed

    def period_start(self, time: datetime) -> datetime:
        return period_start(time)

    def drop_before(self, floor: datetime) -> Counts:
        with self._explained("cannot write to the event store"):
            with self._transaction():
                removed = drop(self._db, floor, commit_time_after(self.settled(), self._clock))
            if removed.removed or removed.removed_rejects:
                with suppress(duckdb.TransactionException):  # somebody is reading: a later commit does it
                    self._db.execute("CHECKPOINT")  # the freed blocks can be used again
        return removed

    def inspect(self) -> list[Finding]:
        with self._explained("cannot read the event store"):
            return _findings(self._db, self._path, self.ledger())

    def interrupt(self) -> None:
        """Do nothing: no commit waits for a server."""

    def close(self) -> None:
        self._db.close()

    def _connected(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        db = duckdb.connect(str(self._path), read_only=read_only, config=self._config)
        db.execute("SET GLOBAL TimeZone = 'UTC'")
        return db

    def _rewrite_file(self) -> None:
        path = target(self._path)
        new_file = copy_live_rows(self._db, path)
        self._db.close()
        try:
            replace(path, new_file)
        finally:
            self._db = self._connected(read_only=False)

    def _frame(self, query: str, values: Sequence[Any]) -> pl.DataFrame:
        with self._explained("cannot read the event store"):
            # A separate connection, so that reads can run while another thread commits
            with self._db.cursor() as connection:
                frame: pl.DataFrame = connection.sql(query, params=values).pl()
            return frame

    def _frames(self, query: str, values: Sequence[Any], rows: int) -> Iterator[pl.DataFrame]:
        with self._explained("cannot read the event store"), self._db.cursor() as connection:
            for chunk in connection.sql(query, params=values).to_arrow_reader(rows):
                yield pl.DataFrame(pl.from_arrow(chunk))

    @contextmanager
    def _transaction(self, connection: duckdb.DuckDBPyConnection | None = None) -> Iterator[None]:
        db = connection or self._db
        db.begin()
        try:
            yield
            db.commit()
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


def _findings(db: duckdb.DuckDBPyConnection, path: Path, ledger: list[LedgerRow]) -> list[Finding]:
    """The checks of `advertisex doctor`: the number of stored rows, and whether it matches the ledger."""
    rows = ", ".join(f"{name} {db.table(name).shape[0]:,}" for name in _TABLES)
    store = Finding("store", True, f"{path}: DuckDB {duckdb.__version__}; {rows}")
    all_rows = " UNION ALL ".join(
        f"SELECT topic, partition, {name == 'rejects'} AS is_reject FROM {name}" for name in _TABLES
    )
    held = db.execute(
        "SELECT topic, partition, count(*) FILTER (NOT is_reject), count(*) FILTER (is_reject) "
        f"FROM ({all_rows}) GROUP BY topic, partition"
    ).fetchall()
    return [store, counted(ledger, {Partition(topic, number): Held(*counts) for topic, number, *counts in held})]


def explanation(what: str, error: Exception, path: Path) -> StoreError:
    """The exception to raise for an error of DuckDB or of the file system."""
    text = str(error)
    holder = re.search(r"\(PID (\d+)\)", text)
    if "Could not set lock" in text or "already open" in text:
        by = f"process {holder[1]}" if holder else "another process"
        return StoreBusy(
            f"the event store is in use by {by}: DuckDB allows either one writing process or several readers",
            where=str(path),
            hint="wait until it finishes or stop it, then run this again",
        )
    hint = "check the disk, the permissions of the file, and that it is an AdvertiseX store"
    if isinstance(error, duckdb.OutOfMemoryException):
        hint = "allow more memory with ADVERTISEX_MEMORY, or use smaller batches with --batch-size"
    if "does not exist" in text:
        hint = "the file is not an AdvertiseX store: choose another one with --store or --data"
    return StoreError(f"{what}: {text.splitlines()[0]}", where=str(path), hint=hint)
