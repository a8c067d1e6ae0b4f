"""The state that a log keeps by key in a SQLite file."""

import sqlite3

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
