"""The embedded event log: one SQLite file, one row per appended batch.

With a batch per row, an append is one insert whatever the number of messages, and a crash leaves whole batches only.
A topic has one partition, 0.
"""

import sqlite3
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from threading import RLock

import msgspec

from advertisex.errors import LogError
from advertisex.logs.contract import READ_BYTES, EventLog, Positions, State
from advertisex.logs.locks import Locks
from advertisex.logs.sqlite.origins import pack_origins, source_line
from advertisex.logs.sqlite.reader import SqliteReader
from advertisex.logs.sqlite_faults import code_of, fault_of
from advertisex.logs.state_file import STATE_SCHEMA, change_state, read_state
from advertisex.model import TOMBSTONE, Batch, Finding, Origin, Partition, Position, SourceLine, Span

_SCHEMA = f"""{STATE_SCHEMA}
CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), log TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch (
    topic        TEXT NOT NULL,
    first_offset INTEGER NOT NULL,
    next_offset  INTEGER NOT NULL,
    appended_at  INTEGER NOT NULL,  -- microseconds since the epoch, UTC
    messages     BLOB NOT NULL,     -- MessagePack array of binaries
    PRIMARY KEY (topic, first_offset)
);
CREATE TABLE IF NOT EXISTS origin (   -- one row per append with known origins
    topic        TEXT NOT NULL,
    first_offset INTEGER NOT NULL,
    next_offset  INTEGER NOT NULL,
    origins      BLOB NOT NULL,     -- MessagePack
    PRIMARY KEY (topic, first_offset)
);
"""
#: Limits on the messages of one row.
_ROW_BYTES = 8 * 2**20
_ROW_MESSAGES = 50_000
_decode = msgspec.msgpack.Decoder(list[bytes]).decode


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
            # check_same_thread: the runner prefetches in another thread; the lock lets one thread use it at a time
            self._db = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA page_size = 16384")  # batches are megabytes: fewer overflow pages
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self._identity = self._load_identity()

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
            if row is None or position.partition != 0 or position.offset >= row[1]:
                return None
            return source_line(row[2], position.offset - row[0])

    def lock(self, key: str) -> bool:
        with self._explained("cannot lock the event log"):
            return self._locks.lock(key)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Batch:
        payloads: list[bytes] = []
        times: list[int] = []
        room = READ_BYTES
        if partition == 0:
            for first, appended_at, blob in self._rows_from(topic, offset):
                start = offset + len(payloads) - first
                part = _decode(blob)[start : start + limit - len(payloads)]
                part, room = _fitting(part, room, at_least=0 if payloads else 1)
                payloads += part
                times += [appended_at] * len(part)
                if len(payloads) == limit or room <= 0:
                    break
        end = offset + len(payloads)
        return Batch(Span(topic, partition, offset, end), range(offset, end), payloads, times)

    def erase(self, topic: str, partition: int, offsets: Sequence[int]) -> None:
        with self._explained("cannot erase from the event log"):
            self._db.execute("PRAGMA secure_delete = ON")  # overwritten bytes are zeroed
            left = deque(sorted(offsets) if partition == 0 else [])
            while left:
                with self._transaction():  # includes the read of the row, so that it never undoes a concurrent erasure
                    self._erase_from_row(topic, left)
            # the write-ahead log also contains the overwritten messages
            busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise LogError(
                "erased messages remain in the event log's write-ahead log: another process is reading it",
                where=str(self._path),
                hint="stop that process, then run this again",
            )

    def partitions(self, topic: str) -> list[int]:
        return [p.partition for p in self.end_offsets() if p.topic == topic]

    def end_offsets(self) -> dict[Partition, int]:
        with self._explained("cannot read the event log"):
            rows = self._db.execute("SELECT topic, max(next_offset) FROM batch GROUP BY topic ORDER BY topic")
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
            (answer,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        held = {partition.topic: end for partition, end in self.end_offsets().items()}
        counts = ", ".join(f"{topic} {held.get(topic, 0):,}" for topic in topics)
        return [
            Finding(
                "log",
                answer == "ok",
                f"{self._path}: SQLite {sqlite3.sqlite_version}, {answer}",
                "restore it from a backup",
            ),
            Finding("topics", True, f"messages: {counts}"),
        ]

    def close(self) -> None:
        self._locks.close()
        self._db.close()

    def _erase_from_row(self, topic: str, left: deque[int]) -> None:
        """Overwrite messages of the row with the first offset; removes the processed offsets from `left`."""
        row = next(self._rows_from(topic, left[0]), None)
        if row is None or left[0] < row[0]:
            left.popleft()  # no message at this offset
            return
        first, _, blob = row
        messages = _decode(blob)
        while left and left[0] < first + len(messages):
            messages[left.popleft() - first] = TOMBSTONE
        self._db.execute(
            "UPDATE batch SET messages = ? WHERE topic = ? AND first_offset = ?",
            (msgspec.msgpack.encode(messages), topic, first),
        )

    def _append(
        self, topic: str, messages: Sequence[bytes], origins: Sequence[Origin] = (), state: State | None = None
    ) -> range:
        """Append messages; returns their offsets."""
        if not messages and not state:
            return range(0)
        with self._explained("cannot append to the event log"), self._transaction():
            (first,) = self._db.execute(
                "SELECT coalesce(max(next_offset), 0) FROM batch WHERE topic = ?", (topic,)
            ).fetchone()
            now = self._clock()
            end = first
            for part in _chunks(messages):
                self._db.execute(
                    "INSERT INTO batch VALUES (?, ?, ?, ?, ?)",
                    (topic, end, end + len(part), now, msgspec.msgpack.encode(part)),
                )
                end += len(part)
            if origins and messages:
                row = (topic, first, end, pack_origins(origins))
                self._db.execute("INSERT INTO origin VALUES (?, ?, ?, ?)", row)
            change_state(self._db, state or {})
        return range(first, end)

    def _load_identity(self) -> str:
        """The identity of the file: random, created with it, or when a file of an earlier version is first opened."""
        while not (found := self._db.execute("SELECT log FROM identity").fetchone()):
            self._db.execute("INSERT OR IGNORE INTO identity VALUES (1, lower(hex(randomblob(16))))")
        return str(found[0])

    def _rows_from(self, topic: str, offset: int) -> Iterator[tuple[int, int, bytes]]:
        """The rows from the one with `offset` on, in order."""
        with self._explained("cannot read the event log"):
            yield from self._db.execute(
                "SELECT first_offset, appended_at, messages FROM batch WHERE topic = ? AND first_offset >= "
                "coalesce((SELECT max(first_offset) FROM batch WHERE topic = ? AND first_offset <= ?), 0) "
                "AND next_offset > ? ORDER BY first_offset",
                (topic, topic, offset, offset),
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


def _chunks(messages: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split messages into chunks of limited size, so that a read never decodes much more than it needs."""
    if len(messages) <= _ROW_MESSAGES and sum(map(len, messages)) <= _ROW_BYTES:
        if messages:
            yield list(messages)
        return
    totals = list(accumulate(map(len, messages)))
    start = 0
    while start < len(messages):
        before = totals[start - 1] if start else 0
        fitting = bisect_right(totals, before + _ROW_BYTES, start)
        end = max(start + 1, min(fitting, start + _ROW_MESSAGES))
        yield list(messages[start:end])
        start = end


def _fitting(part: list[bytes], room: int, at_least: int) -> tuple[list[bytes], int]:
    """The first messages that fit into `room` bytes, but at least `at_least`; and the room left (≤ 0: none)."""
    totals = list(accumulate(map(len, part)))
    if not totals or totals[-1] <= room:
        return part, room - (totals[-1] if totals else 0)
    count = max(at_least, sum(total <= room for total in totals))
    return part[:count], 0
