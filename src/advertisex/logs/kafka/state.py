"""The state beside a Kafka log: a local SQLite file, which is written after the messages are acknowledged.

A crash in between leaves an older state than the messages, so a source sends some of them again: at least once. An
event's identity is its content, so these are duplicates.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from advertisex.errors import LogError
from advertisex.files.durable import make_folder
from advertisex.files.making import make
from advertisex.logs.contract import State
from advertisex.logs.locks import Locks
from advertisex.logs.sqlite_faults import RESTORE_STATE, check_not_lost, fault_of, is_filled

_NAME = "log-state.db"
#: Seconds to wait for a lock of another process.
_WAIT = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    topic TEXT NOT NULL,
    log   TEXT NOT NULL,  -- topic id: state is void once the topic was recreated, and in another cluster
    key   TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (key, topic)
) WITHOUT ROWID;
"""

Identities = Callable[[Collection[str]], dict[str, str]]


class KafkaState:
    """State and locks of a log in Kafka.

    Args:
        folder: folder of the file; None keeps the state in memory, until the log is closed.
        identities: returns the identities of topics that exist.
    """

    def __init__(self, folder: Path | None, identities: Identities) -> None:
        self._path = None if folder is None else folder / _NAME
        self._identities = identities
        self._locks = Locks(self._path)
        self._lock = RLock()
        self._opened: sqlite3.Connection | None = None

    def change(self, topic: str, state: State) -> None:
        """Change the state that belongs to a topic."""
        log = self._identities([topic]).get(topic, "")
        with self._db() as db:
            db.execute("BEGIN IMMEDIATE")
            for key, value in state.items():
                db.execute("DELETE FROM state WHERE key = ? AND topic = ?", (key, topic))
                if value is not None:
                    db.execute("INSERT INTO state VALUES (?, ?, ?, ?)", (topic, log, key, value))
            db.execute("COMMIT")

    def read(self, prefix: str) -> dict[str, bytes]:
        """Return the values of the keys with this prefix that belong to existing topics."""
        if self._path is not None and not self._path.exists():
            check_not_lost(self._path, "the state of the sources")
            return {}
        with self._db() as db:
            rows = db.execute(
                "SELECT key, topic, log, value FROM state WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)
            ).fetchall()
        current = self._identities({topic for _, topic, _, _ in rows})
        return {key: value for key, topic, log, value in rows if log == current.get(topic, "")}

    def lock(self, key: str) -> bool:
        """Lock a key. Return False if another process holds the lock."""
        with self._explained():
            return self._locks.lock(key)

    def close(self) -> None:
        """Close the file and release the locks. Idempotent."""
        self._locks.close()
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            if self._opened is None:
                if self._path is not None:
                    check_not_lost(self._path, "the state of the sources")
                    make(self._path, lambda new: _connect(new).close(), is_unfinished=lambda file: not is_filled(file))
                self._opened = _connect(self._path or Path(":memory:"))
            yield self._opened

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with self._lock:
                if self._path is not None:
                    make_folder(self._path.parent)
                yield
        except (sqlite3.Error, OSError) as error:
            if self._opened is not None and self._opened.in_transaction:
                self._opened.execute("ROLLBACK")
            path = self._path or Path()
            fault = fault_of(error, path, _WAIT, RESTORE_STATE)
            raise LogError(
                f"cannot keep the state of the sources: {fault.what}", where=str(path), hint=fault.hint
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db
