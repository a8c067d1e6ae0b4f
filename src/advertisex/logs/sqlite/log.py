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
from advertisex.logs.contract import EventLog, HeldBack, Limits, Positions, State
from advertisex.logs.locks import Locks
from advertisex.logs.sqlite.checksums import checksum_in, is_as_written, put_checksum
from advertisex.logs.sqlite.inspect import inspected
from advertisex.logs.sqlite.origins import pack_origins, source_line
from advertisex.logs.sqlite.reader import SqliteReader
from advertisex.logs.sqlite.retention import first_of, is_overdue, make_shrinkable, prune_step
from advertisex.logs.sqlite.rows import append_id_before, erase_from_row, insert_messages, read_messages
from advertisex.logs.sqlite.schema import load_identity, open_file
from advertisex.logs.sqlite.topics import end_of, ends
from advertisex.logs.sqlite.verify import verified
from advertisex.logs.sqlite_faults import RESTORE_LOG, fault_of
from advertisex.logs.state_file import change_state, read_state
from advertisex.model import Batch, Finding, Origin, Partition, Position, SourceLine, Span

_KINDS = {"origin": "the origin of messages", "state": "the state of a source"}


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
        LogMissing: the file is missing, and `create` is false.
        LogError: it cannot be opened, or is not an event log.
    """

    erasable = True
    prunable = True

    def __init__(
        self, path: Path, *, create: bool = True, clock: Callable[[], int] = _system_time, wait: float = 30.0
    ) -> None:
        self._path, self._clock, self._wait = path, clock, wait
        self._locks = Locks(None if str(path) == ":memory:" else path)
        self._lock = RLock()  # a log in memory has only this connection, for all threads
        with self._explained("cannot open the event log"):
            self._db = open_file(path, wait, create=create)
            self._identity = load_identity(self._db)

    def append(
        self, topic: str, messages: Sequence[bytes], *, origins: Sequence[Origin] = (), state: State | None = None
    ) -> None:
        self._append(topic, messages, origins, state)

    def append_each(self, topic: str, messages: Sequence[bytes], *, origins: Sequence[Origin] = ()) -> list[Position]:
        return [Position(topic, 0, offset) for offset in self._append(topic, messages, origins)]

    def message_bytes(self, topic: str) -> None:
        """Return None: ingestion bounds messages far below what SQLite takes."""

    def state(self, prefix: str) -> dict[str, bytes]:
        with self._reading():
            return {key: self._verified("state", key, (), value) for key, value in read_state(self._db, prefix).items()}

    def origin(self, position: Position) -> SourceLine | None:
        with self._reading():
            row = self._db.execute(
                "SELECT first_offset, next_offset, origins FROM origin WHERE topic = ? AND first_offset <= ? "
                "ORDER BY first_offset DESC LIMIT 1",
                (position.topic, position.offset),
            ).fetchone()
            start = first_of(self._db, position.topic)
            if row is None or start is None or position.partition != 0 or not start <= position.offset < row[1]:
                return None
            packed = self._verified("origin", position.topic, row[:2], row[2])
            return source_line(packed, position.offset - row[0])

    def lock(self, key: str) -> bool:
        with self._explained("cannot lock the event log"):
            return self._locks.lock(key)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Batch:
        if partition != 0:
            return Batch(Span(topic, partition, offset, offset), range(0), [], [])
        with self._reading():
            return read_messages(self._db, topic, offset, limit, self._clock())

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
        with self._reading():
            return is_overdue(self._db, processed, limits)

    def partitions(self, topic: str) -> list[int]:
        return [p.partition for p in self.end_offsets([topic])]

    def start_offsets(self, topics: Collection[str] | None = None) -> dict[Partition, int]:
        with self._reading():
            return {of: first_of(self._db, of.topic) or 0 for of in self.end_offsets(topics)}

    def end_offsets(self, topics: Collection[str] | None = None) -> dict[Partition, int]:
        with self._reading():
            return {of: end for of, end in ends(self._db).items() if topics is None or of.topic in topics}

    def held_back(self, topics: Collection[str] | None = None) -> dict[Partition, HeldBack]:
        """Return nothing: an append becomes visible at once."""
        return {}

    def identities(self, topics: Collection[str]) -> dict[str, str]:
        # the whole file is one log
        return {partition.topic: self._identity for partition in self.end_offsets(topics)}

    def append_ids(self, ends: Mapping[Partition, int]) -> dict[Partition, str]:
        with self._reading():
            found = {of: append_id_before(self._db, of.topic, end) for of, end in ends.items() if of.partition == 0}
        return {of: one for of, one in found.items() if one}

    def reader(
        self, topics: Collection[str], positions: Positions, limit: int, *, skip_damaged: bool = False
    ) -> SqliteReader:
        return SqliteReader(self, topics, positions, limit, skip_damaged=skip_damaged)

    def size(self) -> int:
        """Size of the database file, with its -wal and -shm files, in bytes."""
        files = (self._path.with_name(self._path.name + end) for end in ("", "-wal", "-shm"))
        return sum(file.stat().st_size for file in files if file.exists())

    def inspect(self, topics: Collection[str]) -> list[Finding]:
        with self._reading():
            return inspected(self._db, self._path, topics, self._clock())

    def verify(
        self, topics: Collection[str], on_messages: Callable[[int], None], lost: Collection[Span] = ()
    ) -> list[Finding]:
        with self._reading():
            return verified(self._db, on_messages, lost)

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
            first = end_of(self._db, topic)
            end = insert_messages(self._db, topic, first, messages, self._clock())
            if origins and messages:
                packed = pack_origins(origins)
                self._db.execute("INSERT INTO origin VALUES (?, ?, ?, ?)", (topic, first, end, packed))
                put_checksum(self._db, "origin", topic, (first, end), packed)
            change_state(self._db, state or {})
            for key, value in (state or {}).items():
                if value is not None:
                    put_checksum(self._db, "state", key, (), value)
        return range(first, end)

    def _verified(self, kind: str, name: str, numbers: tuple[int, ...], content: bytes) -> bytes:
        """The content of a row that is as it was written."""
        if is_as_written(checksum_in(self._db, kind, name, numbers), name, numbers, content):
            return content
        raise LogError(
            f"the event log is damaged: {_KINDS[kind]} was altered",
            where=str(self._path),
            hint=RESTORE_LOG,
        )

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
    def _reading(self) -> Iterator[None]:
        """Read one state of the file: other processes append meanwhile, and a value and its checksum are two rows."""
        with self._explained("cannot read the event log"):
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                if self._db.in_transaction:  # SQLite ends it by itself after some errors
                    self._db.execute("COMMIT")

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (sqlite3.Error, msgspec.MsgspecError, OSError, UnicodeError) as error:  # of SQLite's text, too
            fault = fault_of(error, self._path, self._wait, RESTORE_LOG)
            raise LogError(f"{what}: {fault.what}", where=str(self._path), hint=fault.hint) from error
