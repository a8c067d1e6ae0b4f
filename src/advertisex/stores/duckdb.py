"""The embedded event store: one DuckDB file, one transaction for each commit.

A duplicate can only sit at the same event time, since the time is part of the identity. So only the stored
events within the batch's own window of event time are looked through, and those at the very times of its
stragglers: the cost of deduplication hardly grows with history.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import polars as pl

from advertisex.batches import COMMIT_COLUMNS, Counts, LedgerRow, Outcome, Partition, Position, Span
from advertisex.errors import LedgerMoved, StoreMissing
from advertisex.feeds import FEEDS
from advertisex.findings import Finding
from advertisex.stores.contract import ERASURES, Extent, Range, RejectQuery, Removal
from advertisex.stores.duckdb_conditions import commit_conditions, event_conditions, reject_conditions, reject_statement
from advertisex.stores.duckdb_erasure import copy_without_what_was_deleted, delete, replace
from advertisex.stores.duckdb_errors import explanation
from advertisex.stores.duckdb_inspect import inspect
from advertisex.stores.duckdb_schema import statements
from advertisex.stores.same_log import check_same_log
from advertisex.stores.stamp import Clock, stamp_after, utc_now

_SCAN_ROWS = 1_000_000
#: Rejects are read a few at a time: their messages may be large.
_SCAN_REJECTS = 2_048
_DENSE_SHARE = 0.98
#: Another file than ours is refused, instead of fetching an extension that can read it.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_COUNTS = ("read", "stored", "duplicate", "filtered", "rejected", "erased", "replayed")
#: Rows of rejects at once: their messages may be large.


class DuckdbStore:
    """An event store in one DuckDB file; see `EventStore` for what it promises.

    Args:
        path: the file.
        read_only: several readers may open a store at once, but none beside a writer. A store that is
            opened for writing is made when it is absent.
        memory: what DuckDB may use, for example "512MB"; beyond it, it spills to disk beside the file.
        clock: tells the time that a commit is stored under.

    Raises:
        StoreMissing: read-only, and there is no such file.
        StoreBusy: another process holds it.
        StoreError: the file cannot be opened, or is no store.
    """

    def __init__(self, path: Path, *, read_only: bool = False, memory: str = "256MB", clock: Clock = utc_now) -> None:
        self._path, self._clock = path, clock
        nothing = StoreMissing(
            "nothing has been stored yet",
            where=str(path),
            mend="run `advertisex ingest` and `advertisex process` first",
        )
        if read_only and not path.exists():
            raise nothing
        with self._explained("cannot open the event store"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._config = _CONFIG | {"memory_limit": memory}
            self._db = self._connected(read_only=read_only)
            if not read_only:
                with self._transaction():
                    for statement in statements():
                        self._db.execute(statement)
            elif not self._db.execute("SELECT 1 FROM duckdb_tables()").fetchall():
                self._db.close()  # its making was interrupted
                raise nothing

    def positions(self) -> dict[Partition, int]:
        """See `EventStore.positions`."""
        return {Partition(row.topic, row.partition): row.next_offset for row in self.ledger()}

    def commit(self, outcome: Outcome) -> Counts:
        """See `EventStore.commit`."""
        with self._explained("cannot write to the event store"), self._transaction():
            self._advance(outcome)
            stamp = stamp_after(self.settled(), self._clock)
            stored = self._insert_events(outcome, stamp)
            self._insert_rejects(outcome, stamp)
            filtered = int((outcome.rejects["kind"] == "filtered").sum())
            counts = Counts(
                read=outcome.read,
                stored=stored,
                duplicate=outcome.events.height - stored + outcome.repeated,
                filtered=filtered,
                rejected=outcome.rejects.height - filtered,
                erased=outcome.withheld.height,
            )
            self._add_counts(outcome, counts, stamp)
        return counts

    def ledger(self) -> list[LedgerRow]:
        """See `EventStore.ledger`."""
        rows = self._frame(
            f"SELECT topic, partition, next_offset, log, {', '.join(_COUNTS)} FROM ledger ORDER BY topic, partition", []
        ).iter_rows()
        return [LedgerRow(topic, number, end, Counts(*counts), log or "") for topic, number, end, log, *counts in rows]

    def rejects(self, query: RejectQuery) -> pl.DataFrame:
        """See `EventStore.rejects`."""
        return self._frame(*reject_statement(query))

    def scan_rejects(self, query: RejectQuery) -> Iterator[pl.DataFrame]:
        """See `EventStore.scan_rejects`."""
        yield from self._frames(*reject_statement(query), _SCAN_REJECTS)

    def mark_replayed(self, replays: Mapping[Position, Position]) -> None:
        """See `EventStore.mark_replayed`."""
        marks = pl.DataFrame(
            [(*position, str(replay)) for position, replay in replays.items()],
            schema=["topic", "partition", "offset", "replay"],
            orient="row",
        )
        with (
            self._explained("cannot write to the event store"),
            self._db.cursor() as connection,
            self._transaction(connection),
        ):
            connection.register("marks", marks.to_arrow())
            connection.execute(
                "UPDATE rejects r SET replayed_to = m.replay FROM marks m "
                'WHERE r.topic = m.topic AND r.partition = m.partition AND r."offset" = m."offset"'
            )

    def reject_counts(self, query: RejectQuery) -> pl.DataFrame:
        """See `EventStore.reject_counts`."""
        where, values = reject_conditions(query)
        return self._frame(
            "SELECT feed, kind, reason, date_trunc('hour', ingested_at)::TIMESTAMP AS hour, count(*) AS count "
            f"FROM rejects {where} GROUP BY ALL ORDER BY ALL",
            values,
        )

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        """See `EventStore.commits`."""
        columns = ", ".join(f'"{name}"' for name in COMMIT_COLUMNS)
        order = 'topic, partition, "start", "end", committed_at'
        where, values = commit_conditions(since)
        return self._frame(f"SELECT {columns} FROM commits {where} ORDER BY {order}", values)

    def settled(self) -> datetime | None:
        """See `EventStore.settled`."""
        found: datetime | None = self._frame("SELECT max(committed_at) FROM commits", []).item()
        return found

    def extent(self, feed: str, within: Range) -> Extent:
        """See `EventStore.extent`."""
        where, values = event_conditions(within)
        found = self._frame(f"SELECT count(*), min(event_time), max(event_time) FROM {feed} {where}", values)
        return Extent(*found.row(0))

    def scan(self, feed: str, columns: Sequence[str], within: Range) -> Iterator[pl.DataFrame]:
        """See `EventStore.scan`."""
        where, values = event_conditions(within)
        names = ", ".join("event_id::BLOB AS event_id" if c == "event_id" else f'"{c}"' for c in columns)
        yield from self._frames(f"SELECT {names} FROM {feed} {where}", values, _SCAN_ROWS)

    def user_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        """See `EventStore.user_totals`."""
        where, values = event_conditions(within)
        if campaign is not None:
            where = f"{where or 'WHERE true'} AND campaign_id = ?"
            values.append(campaign)
        return self._frame(
            "SELECT user_id, sum(clicks)::BIGINT AS clicks, sum(conversions)::BIGINT AS conversions "
            f"FROM clicks {where} GROUP BY user_id ORDER BY user_id",
            values,
        )

    def notes(self, kind: str) -> dict[str, bytes]:
        """See `EventStore.notes`."""
        return dict(self._frame("SELECT key, document FROM notes WHERE kind = ? ORDER BY key", [kind]).iter_rows())

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        """See `EventStore.take_note`."""
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
        """See `EventStore.suppress`."""
        self.take_note(ERASURES, {key: document})
        return self.positions()

    def remove(self, removal: Removal) -> pl.DataFrame:
        """See `EventStore.remove`."""
        with self._explained("cannot write to the event store"):
            with self._transaction():
                removed = delete(self._db, removal, stamp_after(self.settled(), self._clock))
            fresh = copy_without_what_was_deleted(self._db, self._path)
            self._db.close()
            replace(self._path, fresh)
            self._db = self._connected(read_only=False)
        return removed

    @property
    def retries(self) -> int:
        """See `EventStore.retries`: there is no server."""
        return 0

    def inspect(self) -> list[Finding]:
        """See `EventStore.inspect`."""
        with self._explained("cannot read the event store"):
            return inspect(self._db, self._path, self.ledger())

    def interrupt(self) -> None:
        """See `EventStore.interrupt`: there is no server to wait for."""

    def close(self) -> None:
        """See `EventStore.close`."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connected(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        db = duckdb.connect(str(self._path), read_only=read_only, config=self._config)
        db.execute("SET GLOBAL TimeZone = 'UTC'")
        return db

    def _advance(self, outcome: Outcome) -> None:
        """Move the checkpoint from the span's start to its end, or refuse."""
        span = outcome.span
        known = self._db.execute("SELECT count(*) FROM notes WHERE kind = ?", (ERASURES,)).fetchone()
        if known and known[0] > outcome.erasures:
            raise _moved(span, "a user was erased since")
        row = self._db.execute("SELECT log FROM ledger WHERE topic = ? AND partition = ?", span.of).fetchone()
        if row is None:
            self._db.execute(
                f"INSERT INTO ledger (topic, partition, next_offset, {', '.join(_COUNTS)}) "
                f"VALUES (?, ?, ?{', 0' * len(_COUNTS)})",
                (span.topic, span.partition, span.start),
            )
        else:
            check_same_log(span.of, row[0] or "", span.log)
        moved = self._db.execute(
            "UPDATE ledger SET next_offset = ?, log = coalesce(log, ?) "
            "WHERE topic = ? AND partition = ? AND next_offset = ? RETURNING 1",
            (span.end, span.log or None, span.topic, span.partition, span.start),
        ).fetchall()
        if not moved:
            raise _moved(span, "the ledger has moved on")

    def _insert_events(self, outcome: Outcome, stamp: datetime) -> int:
        events, span = outcome.events, outcome.span
        if not events.height:
            return 0
        feed = FEEDS[outcome.feed]
        columns = ", ".join(f'b."{name}"' for name in feed.columns)
        low, high = (f"make_timestamp({micros})" for micros in _dense(events["event_time"]))
        # A UUID is compared as one number; the batch holds its 16 bytes
        self._db.register("batch", events.to_arrow())
        try:
            inserted = self._db.execute(
                f"""
                INSERT INTO {feed.name} BY NAME
                SELECT b.event_id::UUID AS event_id, {columns}, ? AS topic, ? AS partition,
                    b."offset", b.ingested_at, ? AS processed_at
                FROM batch b ANTI JOIN (
                    SELECT event_id, event_time FROM {feed.name} WHERE event_time BETWEEN {low} AND {high}
                    UNION ALL
                    SELECT event_id, event_time FROM {feed.name} WHERE event_time IN
                        (SELECT event_time FROM batch WHERE event_time NOT BETWEEN {low} AND {high})
                ) known
                ON b.event_id::UUID = known.event_id AND b.event_time = known.event_time
                """,
                (span.topic, span.partition, stamp),
            ).fetchone()
        finally:
            self._db.unregister("batch")
        return int(inserted[0]) if inserted else 0

    def _insert_rejects(self, outcome: Outcome, stamp: datetime) -> None:
        if not outcome.rejects.height:
            return
        span = outcome.span
        self._db.register("refused", outcome.rejects.to_arrow())
        try:
            self._db.execute(
                'INSERT INTO rejects SELECT ?, ?, "offset", ?, kind, stage, reason, detail, payload, ingested_at, ?, '
                "NULL FROM refused",
                (span.topic, span.partition, outcome.feed, stamp),
            )
        finally:
            self._db.unregister("refused")

    def _add_counts(self, outcome: Outcome, counts: Counts, stamp: datetime) -> None:
        span = outcome.span
        added = ", ".join(f'"{name}" = "{name}" + {getattr(counts, name)}' for name in _COUNTS)
        self._db.execute(
            f"UPDATE ledger SET {added} WHERE topic = ? AND partition = ?",
            (span.topic, span.partition),
        )
        numbers = (getattr(counts, name) for name in _COUNTS)
        self._db.execute(
            f'INSERT INTO commits (topic, partition, feed, "start", "end", committed_at, {", ".join(_COUNTS)}) '
            f"VALUES ({', '.join('?' * (6 + len(_COUNTS)))})",
            (span.topic, span.partition, outcome.feed, span.start, span.end, stamp, *numbers),
        )

    def _frame(self, query: str, values: Sequence[Any]) -> pl.DataFrame:
        with self._explained("cannot read the event store"):
            # A connection of its own: others may read while a commit is under way in a thread
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
            with suppress(duckdb.Error):  # a failed commit has rolled back by itself
                db.rollback()
            raise

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, OSError) as error:
            raise explanation(what, error, self._path) from error


def _moved(span: Span, why: str) -> LedgerMoved:
    return LedgerMoved(
        f"{why}; nothing of this batch was written",
        where=f"{span.topic}/{span.partition}/{span.start}",
        mend="another run has processed it: run `advertisex process` again to go on from the ledger",
    )


def _dense(times: pl.Series) -> tuple[int, int]:
    """The shortest window of event time (µs) that holds 98 % of the events.

    The others are stragglers: a window over them too would span all the history in between, so they are looked up
    by their very times.
    """
    micros = np.sort(times.dt.timestamp("us").to_numpy())
    others = int(len(micros) * (1 - _DENSE_SHARE))
    widths = micros[len(micros) - 1 - others :] - micros[: others + 1]
    start = int(widths.argmin())
    return int(micros[start]), int(micros[len(micros) - 1 - others + start])
