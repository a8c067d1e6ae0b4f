"""Locks that a log keeps in local SQLite files."""

import sqlite3
from hashlib import sha256
from pathlib import Path


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
