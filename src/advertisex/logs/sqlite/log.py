"""The embedded event log: one SQLite file, one row per appended batch.

With a batch per row, an append is one insert whatever the number of messages, and a crash leaves whole batches only.
A topic has one partition, 0.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

import msgspec

from advertisex.errors import LogError
from advertisex.logs.contract import EventLog, Limits, Positions, State
from advertisex.logs.locks import Locks
from advertisex.logs.sqlite.inspect import inspected
from advertisex.logs.sqlite.origins import pack_origins, source_line
from advertisex.logs.sqlite.reader import SqliteReader
from advertisex.logs.sqlite.retention import is_overdue, make_shrinkable, prune_step, start_of
from advertisex.logs.sqlite.rows import erase_from_row, insert_messages, read_messages
from advertisex.logs.sqlite.schema import connect, load_identity
from advertisex.logs.sqlite_faults import code_of, fault_of
from advertisex.logs.state_file import change_state, read_state
from advertisex.model import Batch, Finding, Origin, Partition, Position, SourceLine, Span


def _system_time() -> int:
    return time.time_ns() // 1000


class SqliteLog(EventLog):
    """An event log in one SQLite file.

    Args:
        path: the file; `:memory:` for a log in memory, private to this object and discarded with it.
        create: whether to create the file, and its folder, if missing.
        clock: returns the time of an append, in microseconds since the epoch (UTC).
        wait: seconds to wait for a lock of another process.

    Raises:
        LogError: the file cannot be opened, is not an event log, or is missing and `create` is false.
    """

    erasable = True
    prunable = True

    def __init__(
        self, path: Path, *, create: bool = True, clock: Callable[[], int] = _system_time, wait: float = 30.0
    ) -> None:
        self._path, self._clock, self._wait = path, clock, wait
        self._locks = Locks(None if str(path) == ":memory:" else path)
        self._lock = RLock()  # a log in memory has only this connection, for all threads
        if not create and not path.exists():
            raise LogError(
                "event log not found", where=str(path), hint="run `advertisex ingest` first, or check --data"
            )
        with self._explained("cannot open the event log"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = connect(path, wait)
            self._identity = load_identity(self._db)

    def append(
        self, topic: str, messages: Sequence[bytes], *, origins: Sequence[Origin] = (), state: State | None = None
    ) -> None:
        self._append(topic, messages, origins, state)

    def append_each(self, topic: str, messages: Sequence[bytes]) -> list[Position]:
        return [Position(topic, 0, offset) for offset in self._append(topic, messages)]

    def state(self, prefix: str) -> dict[str, bytes]:
        with self._explained("cannot read the event log"):
            return read_state(self._db, prefix)

    def origin(self, position: Position) -> SourceLine | None:
        with self._explained("cannot read the event log"):
            row = self._db.execute(
                "SELECT first_offset, next_offset, origins FROM origin WHERE topic = ? AND first_offset <= ? "
                "ORDER BY first_offset DESC LIMIT 1",
                (position.topic, position.offset),
            ).fetchone()
            start = start_of(self._db, position.topic)
            if row is None or start is None or position.partition != 0 or not start <= position.offset < row[1]:
                return None
            return source_line(row[2], position.offset - row[0])

    def lock(self, key: str) -> bool:
        with self._explained("cannot lock the event log"):
            return self._locks.lock(key)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Batch:
        if partition != 0:
            return Batch(Span(topic, partition, offset, offset), range(0), [], [])
        with self._explained("cannot read the event log"):
            return read_messages(self._db, topic, offset, limit)

    def erase(self, topic: str, partition: int, offsets: Sequence[int]) -> None:
        with self._explained("cannot erase from the event log"):
            left = deque(sorted(offsets) if partition == 0 else [])
            while left:
                with self._transaction():
                    erase_from_row(self._db, topic, left)
            # the write-ahead log also contains the overwritten messages
            busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise LogError(
                "erased messages remain in the event log's write-ahead log: another process is reading it",
                where=str(self._path),
                hint="stop that process, then run this again",
            )

    def prune(self, processed: Mapping[Partition, int], limits: Limits) -> int:
        with self._explained("cannot remove messages from the event log"):
            with self._transaction():
                removed = prune_step(self._db, processed, limits)
            if not removed:
                make_shrinkable(self._db)
        return removed

    def overdue(self, processed: Mapping[Partition, int], limits: Limits) -> bool:
        with self._explained("cannot read the event log"):
            return is_overdue(self._db, processed, limits)

    def partitions(self, topic: str) -> list[int]:
        return [p.partition for p in self.end_offsets() if p.topic == topic]

    def start_offsets(self) -> dict[Partition, int]:
        with self._explained("cannot read the event log"):
            names = [partition.topic for partition in self.end_offsets()]
            return {Partition(topic, 0): start_of(self._db, topic) or 0 for topic in names}

    def end_offsets(self) -> dict[Partition, int]:
        with self._explained("cannot read the event log"):
            rows = self._db.execute("SELECT name, next_offset FROM topic ORDER BY name")
            return {Partition(topic, 0): end for topic, end in rows}

    def identities(self, topics: Collection[str]) -> dict[str, str]:
        # the whole file is one log
        return {partition.topic: self._identity for partition in self.end_offsets() if partition.topic in topics}

    def reader(self, topics: Collection[str], positions: Positions, limit: int) -> SqliteReader:
        return SqliteReader(self, topics, positions, limit)

    def size(self) -> int:
        """Size of the database file, with its -wal and -shm files, in bytes."""
        files = (self._path.with_name(self._path.name + end) for end in ("", "-wal", "-shm"))
        return sum(file.stat().st_size for file in files if file.exists())

    def inspect(self, topics: Collection[str]) -> list[Finding]:
        with self._explained("cannot read the event log"):
            return inspected(self._db, self._path, topics, self._clock())

    def close(self) -> None:
        self._locks.close()
        self._db.close()

    def _append(
        self, topic: str, messages: Sequence[bytes], origins: Sequence[Origin] = (), state: State | None = None
    ) -> range:
        """Append messages; returns their offsets."""
        if not messages and not state:
            return range(0)
        with self._explained("cannot append to the event log"), self._transaction():
            row = self._db.execute("SELECT next_offset FROM topic WHERE name = ?", (topic,)).fetchone()
            first = row[0] if row else 0
            end = insert_messages(self._db, topic, first, messages, self._clock())
            if origins and messages:
                origin = (topic, first, end, pack_origins(origins))
                self._db.execute("INSERT INTO origin VALUES (?, ?, ?, ?)", origin)
            change_state(self._db, state or {})
        return range(first, end)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (sqlite3.Error, msgspec.MsgspecError, OSError) as error:
            raise LogError(
                f"{what}: {fault_of(error)}", where=str(self._path), hint=_hint(error, self._wait)
            ) from error


def _hint(error: Exception, wait: float) -> str:
    match code_of(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"it was locked for {wait:g} s: stop that process, then run this again"
        case sqlite3.SQLITE_NOTADB:
            return "this file is not an event log: choose another with --log or --data"
        case sqlite3.SQLITE_FULL:
            return "free some disk space, then run this again"
        case _:
            return "check that the folder exists and is writable"
