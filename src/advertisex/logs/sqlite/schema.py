"""The file of the embedded log: its tables, and how it is opened."""

import sqlite3
from pathlib import Path

from advertisex.logs.state_file import STATE_SCHEMA

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
#: The next offset of each topic, which outlives its rows. The trigger also runs for a process of an earlier version,
#: which derives the next offset from the rows: it must not use offsets again.
_TOPICS = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS topic (name TEXT PRIMARY KEY, next_offset INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO topic SELECT topic, max(next_offset) FROM batch GROUP BY topic;
CREATE TRIGGER IF NOT EXISTS appended BEFORE INSERT ON batch BEGIN
    SELECT raise(ABORT, 'offset used before') FROM topic WHERE name = NEW.topic AND next_offset > NEW.first_offset;
    INSERT INTO topic VALUES (NEW.topic, NEW.next_offset) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset;
END;
COMMIT;
"""
#: The write-ahead log's file shrinks to this size when it is begun again.
_JOURNAL_BYTES = 64 * 2**20


def connect(path: Path, wait: float) -> sqlite3.Connection:
    """Open the file, and create its tables if they are missing.

    Args:
        path: the file; it is created if missing.
        wait: seconds to wait for a lock of another process.
    """
    # check_same_thread: the runner prefetches in another thread; the log's lock lets one thread use it at a time
    db = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA page_size = 16384")  # batches are megabytes: fewer overflow pages
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file: so that it can shrink
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")  # erased and removed bytes are zeroed
    db.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    db.executescript(_SCHEMA)
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'appended'").fetchone():
        db.executescript(_TOPICS)
    return db


def load_identity(db: sqlite3.Connection) -> str:
    """The identity of the file: random, created with it, or when a file of an earlier version is first opened."""
    while not (found := db.execute("SELECT log FROM identity").fetchone()):
        db.execute("INSERT OR IGNORE INTO identity VALUES (1, lower(hex(randomblob(16))))")
    return str(found[0])
