"""The file of the embedded log: its tables, and how it is opened."""

import sqlite3
from contextlib import closing
from pathlib import Path

from advertisex.errors import LogError, LogMissing
from advertisex.files.making import make
from advertisex.logs.sqlite.checksums import CHECKSUM_SCHEMA
from advertisex.logs.sqlite.topics import TOPIC_SCHEMA
from advertisex.logs.sqlite_faults import check_not_lost, is_filled, journals
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
{TOPIC_SCHEMA}{CHECKSUM_SCHEMA}"""
#: The trigger also runs for a process of an earlier version, which derives the next offset from the rows: it must not
#: use offsets again.
_TOPICS = """
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO topic SELECT topic, max(next_offset) FROM batch GROUP BY topic;
CREATE TRIGGER IF NOT EXISTS appended BEFORE INSERT ON batch BEGIN
    SELECT raise(ABORT, 'offset used before') FROM topic WHERE name = NEW.topic AND next_offset > NEW.first_offset;
    INSERT INTO topic VALUES (NEW.topic, NEW.next_offset) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset;
END;
COMMIT;
"""
_PAGE = 16_384
#: The write-ahead log's file shrinks to this size when it is begun again.
_JOURNAL_BYTES = 64 * 2**20


def open_file(path: Path, wait: float, *, create: bool = True) -> sqlite3.Connection:
    """Open the file; it is made, with its folder, if it is missing.

    Args:
        path: the file; `:memory:` for a database in memory.
        wait: seconds to wait for a lock of another process.
        create: whether to make it.

    Raises:
        LogMissing: the file is missing, and `create` is false.
        LogError: it is not an event log, or has lost its messages.
        sqlite3.Error: SQLite cannot open or write it.
        OSError: it cannot be made.
    """
    in_memory = str(path) == ":memory:"
    if not in_memory:
        check_not_lost(path, "the event log")
    if not create and (in_memory or not path.exists()):
        raise LogMissing("event log not found", where=str(path), hint="run `advertisex ingest` first, or check --data")
    if not in_memory:
        make(path, lambda new: _write(new, path), is_unfinished=_is_unfinished)
    return _connect(path, wait)


def _write(new: Path, path: Path) -> None:
    with closing(_connect(new, 0)) as db:
        load_identity(db)
    check_not_lost(path, "the event log")


def _is_unfinished(path: Path) -> bool:
    """Whether a file holds nothing: SQLite makes an empty one, and a crash can leave zeros where it wrote first."""
    if path.stat().st_size > _PAGE or any(is_filled(file) for file in journals(path)):
        return False  # a file with tables is longer: it is not read, because SQLite's locks would end with that
    return not any(path.read_bytes())


def _connect(path: Path, wait: float) -> sqlite3.Connection:
    # check_same_thread: the runner prefetches in another thread; the log's lock lets one thread use it at a time
    db = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Set the options of the connection, and create the tables that are missing."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables - {"state"} and not tables & {"batch", "identity"}:  # a crash of an earlier version left the first ones
        raise LogError(
            "the file is not an event log",
            where=str(path),
            hint="it has other tables: choose another file with --log or --data",
        )
    db.execute(f"PRAGMA page_size = {_PAGE}")  # batches are megabytes: fewer overflow pages
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file: so that it can shrink
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")  # erased and removed bytes are zeroed
    db.execute("PRAGMA temp_store = MEMORY")  # a kill leaves no temporary file with messages in it
    db.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    db.executescript(_SCHEMA)
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'appended'").fetchone():
        db.executescript(_TOPICS)


def load_identity(db: sqlite3.Connection) -> str:
    """The identity of the file: random, created with it, or when a file of an earlier version is first opened."""
    while not (found := db.execute("SELECT log FROM identity").fetchone()):
        db.execute("INSERT OR IGNORE INTO identity VALUES (1, lower(hex(randomblob(16))))")
    return str(found[0])
