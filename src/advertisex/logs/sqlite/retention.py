"""Removes the oldest processed messages from the embedded log, and gives their pages back to the file system.

A step deletes a few rows and moves the last pages of the file into their place, in one short transaction, so that
appends hardly wait, and a crash leaves a step done or not begun. A removed page is overwritten or cut off with it.
"""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

import structlog

from advertisex.logs.contract import Limits
from advertisex.logs.sqlite.topics import put_start
from advertisex.model import Partition

_LOG = structlog.get_logger(__name__)
#: Limits of one step: size and number of the rows deleted, and pages moved. The last is larger, so that the free pages
#: that erasures leave are removed too.
_STEP_BYTES = 8 * 2**20
_STEP_ROWS = 500
_STEP_PAGES = 1024


class FileUse(NamedTuple):
    """How the pages of the file are used, in bytes.

    Attributes:
        used: size of the pages in use; `Limits.size` applies to it.
        free: size of the free pages: the next messages take them.
    """

    used: int
    free: int


class _Row(NamedTuple):
    topic: str
    first_offset: int
    next_offset: int
    appended_at: int
    size: int


def file_use(db: sqlite3.Connection) -> FileUse:
    """How the pages of the file are used."""
    size, pages, free = (_number(db, f"PRAGMA {name}") for name in ("page_size", "page_count", "freelist_count"))
    return FileUse((pages - free) * size, free * size)


def prune_step(db: sqlite3.Connection, processed: Mapping[Partition, int], limits: Limits) -> int:
    """Remove some messages, within the caller's transaction; returns their number."""
    removed = size = 0
    starts: dict[str, int] = {}
    for _ in range(_STEP_ROWS):
        row = _next(db, processed, limits) if size < _STEP_BYTES else None
        if row is None:
            break
        db.execute("DELETE FROM batch WHERE topic = ? AND first_offset = ?", row[:2])
        starts[row.topic] = row.next_offset
        removed, size = removed + row.next_offset - row.first_offset, size + row.size
    for topic, start in starts.items():
        put_start(db, topic, start)
        ended = "DELETE FROM origin WHERE topic = ? AND first_offset < ? AND next_offset <= ?"
        db.execute(ended, (topic, start, start))
    for _ in range(min(_STEP_PAGES, _number(db, "PRAGMA freelist_count"))):
        db.execute("PRAGMA incremental_vacuum(1)")  # Python runs this pragma for one page only, whatever the number
    return removed


def make_shrinkable(db: sqlite3.Connection) -> None:
    """Rewrite a file of an earlier version, of which no page can be cut off, once more than half of it is free."""
    used, free = file_use(db)
    if not _number(db, "PRAGMA auto_vacuum") and free > used:
        _LOG.info("rewriting the event log once, so that its file can shrink: appends wait", bytes=used)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA temp_store = FILE")  # it is a copy of the whole file
        db.execute("VACUUM")
        db.execute("PRAGMA temp_store = MEMORY")


def is_overdue(db: sqlite3.Connection, processed: Mapping[Partition, int], limits: Limits) -> bool:
    """Whether the messages that are not processed alone exceed the limits."""
    unprocessed = 0
    for (topic,) in db.execute("SELECT name FROM topic").fetchall():
        done = processed.get(Partition(topic, 0), 0)
        oldest, size = db.execute(
            "SELECT min(appended_at), coalesce(sum(length(messages)), 0) FROM batch WHERE topic = ? AND first_offset "
            ">= coalesce((SELECT max(first_offset) FROM batch WHERE topic = ? AND first_offset <= ?), 0) "
            "AND next_offset > ?",
            (topic, topic, done, done),
        ).fetchone()
        if limits.before is not None and oldest is not None and oldest < limits.before:
            return True
        unprocessed += size
    return limits.size is not None and unprocessed > limits.size


def first_of(db: sqlite3.Connection, topic: str) -> int | None:
    """The first offset that is kept; the next offset if none is, and None if nothing was ever appended."""
    query = "SELECT coalesce((SELECT min(first_offset) FROM batch WHERE topic = name), next_offset) FROM topic"
    row = db.execute(query + " WHERE name = ?", (topic,)).fetchone()
    return int(row[0]) if row else None


def _next(db: sqlite3.Connection, processed: Mapping[Partition, int], limits: Limits) -> _Row | None:
    """The next row to remove: the oldest one that is processed, if it is beyond the limits."""
    rows = (_processed_row(db, of.topic, done) for of, done in processed.items() if of.partition == 0)
    oldest = min((row for row in rows if row), key=lambda row: row.appended_at, default=None)
    if oldest is None:
        return None
    too_old = limits.before is not None and oldest.appended_at < limits.before
    too_large = limits.size is not None and file_use(db).used > limits.size
    return oldest if too_old or too_large else None


def _processed_row(db: sqlite3.Connection, topic: str, done: int) -> _Row | None:
    """The first row of a topic, if all of it is processed, and the topic does not end before that offset."""
    found = db.execute(
        "SELECT topic, first_offset, batch.next_offset, appended_at, length(messages) "
        "FROM batch JOIN topic ON name = topic WHERE topic = ? AND topic.next_offset >= ? "
        "ORDER BY first_offset LIMIT 1",
        (topic, done),
    ).fetchone()
    row = _Row(*found) if found else None
    return row if row and row.next_offset <= done else None


def _number(db: sqlite3.Connection, query: str) -> int:
    (number,) = db.execute(query).fetchone()
    return int(number)
