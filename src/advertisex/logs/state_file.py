"""What a log keeps in local SQLite files besides messages: state by key, and locks."""

import sqlite3
from hashlib import sha256
from pathlib import Path

from advertisex.logs.contract import State

STATE_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


def change_state(db: sqlite3.Connection, state: State) -> None:
    """Change the state, within the caller's transaction."""
    kept = [(key, value) for key, value in state.items() if value is not None]
    db.executemany("INSERT INTO state VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", kept)
    db.executemany("DELETE FROM state WHERE key = ?", [(key,) for key, value in state.items() if value is None])


def read_state(db: sqlite3.Connection, prefix: str) -> dict[str, bytes]:
    """Return the values of the keys with this prefix."""
    rows = db.execute("SELECT key, value FROM state WHERE substr(key, 1, ?) = ? ORDER BY key", (len(prefix), prefix))
    return dict(rows.fetchall())


class Locks:
    """Locks that end with their process, even if it is killed.

    A lock is an empty SQLite file with an open exclusive transaction. The files are never removed: a process could
    still lock a removed one while another process creates it again.

    Args:
        beside: the names of the lock files begin with this path; None for locks within this object only.
    """

    def __init__(self, beside: Path | None) -> None:
        self._beside = beside
        self._held: dict[str, sqlite3.Connection] = {}

    def lock(self, key: str) -> bool:
        """Lock a key. Return False if another process, or another object, holds the lock."""
        if key in self._held:
            return True
        held = self._exclusive(":memory:" if self._beside is None else self._file(self._beside, key))
        if held is not None:
            self._held[key] = held
        return held is not None

    def close(self) -> None:
        """Release all locks."""
        while self._held:
            self._held.popitem()[1].close()

    @staticmethod
    def _file(beside: Path, key: str) -> Path:
        return beside.with_name(f"{beside.name}.lock-{sha256(key.encode()).hexdigest()[:16]}")

    @staticmethod
    def _exclusive(path: str | Path) -> sqlite3.Connection | None:
        db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            db.close()
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return None
        return db
