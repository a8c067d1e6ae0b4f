"""What `advertisex doctor` reports about the embedded log."""

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from advertisex.errors import LogError
from advertisex.logs.sqlite.retention import file_use, first_of
from advertisex.logs.sqlite.topics import end_of
from advertisex.logs.sqlite_faults import RESTORE_LOG
from advertisex.model import Finding

_DAY = 86_400_000_000


def inspected(db: sqlite3.Connection, path: Path, topics: Collection[str], now: int) -> list[Finding]:
    """Check the file, and describe its size, its growth, and what it keeps of each topic.

    Args:
        db: the open file.
        path: its path.
        topics: topics of the feeds.
        now: the current time, in microseconds since the epoch (UTC).
    """
    (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
    return [
        Finding(
            "log",
            answer == "ok",
            f"{path}: SQLite {sqlite3.sqlite_version}, {'ok' if answer == 'ok' else 'its structure is damaged'}",
            RESTORE_LOG,
        ),
        _topics(db, topics),
        Finding("log size", True, _size(db, now)),
    ]


def _topics(db: sqlite3.Connection, topics: Collection[str]) -> Finding:
    try:
        return Finding("topics", True, "messages: " + ", ".join(_topic(db, topic) for topic in topics))
    except LogError as error:
        return Finding("topics", False, f"{error.what} ({error.where})", error.hint)


def _topic(db: sqlite3.Connection, topic: str) -> str:
    """The number of messages of a topic, and where they start if some were removed."""
    end, start = end_of(db, topic), first_of(db, topic) or 0
    if not start:
        return f"{topic} {end:,}"
    if start == end:
        return f"{topic} 0 (the {end:,} before offset {end:,} were removed)"
    query = "SELECT appended_at FROM batch WHERE topic = ? AND first_offset = ?"
    (since,) = db.execute(query, (topic, start)).fetchone()
    return f"{topic} {end - start:,} (from offset {start:,}, {_time(since)}; those before were removed)"


def _size(db: sqlite3.Connection, now: int) -> str:
    """The size of the log, and how fast it grows."""
    use = file_use(db)
    text = f"{_megabytes(use.used)} in use"
    if use.free:
        text += f", {_megabytes(use.free)} free for the next messages"
    oldest = db.execute(
        "SELECT min(appended_at) FROM topic JOIN batch ON topic = name AND first_offset = "
        "(SELECT min(first_offset) FROM batch WHERE topic = name)"
    ).fetchone()[0]
    if oldest is not None and now - oldest >= _DAY:
        text += f"; it grew by {_megabytes(use.used * _DAY // (now - oldest))} a day since {_time(oldest)}"
    return text


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _time(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1e6, UTC):%Y-%m-%d %H:%M} UTC"
