"""Reads the rows of the embedded log, and finds out which of them are damaged."""

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from advertisex.errors import LogDamaged
from advertisex.logs.sqlite.checksums import is_as_written
from advertisex.logs.sqlite.topics import end_of, start_of, whole

_decode = msgspec.msgpack.Decoder(list[bytes]).decode
_COLUMNS = (
    "SELECT batch.first_offset, next_offset, appended_at, messages, value FROM batch LEFT JOIN checksum "
    "ON kind = 'batch' AND name = topic AND checksum.first_offset = batch.first_offset "
)
#: From the row with an offset on.
_FROM = (
    "WHERE topic = ?1 AND batch.first_offset >= "
    "coalesce((SELECT max(first_offset) FROM batch WHERE topic = ?1 AND first_offset <= ?2), 0) "
)


class StoredRow(NamedTuple):
    """A row whose messages are as they were appended."""

    first: int
    next: int
    appended_at: int
    messages: list[bytes]


def rows_from(db: sqlite3.Connection, topic: str, offset: int) -> Iterator[StoredRow]:
    """The rows from the one with `offset` on, in order; or from the first one after it, if those before were removed.

    Raises:
        LogDamaged: the next row is damaged, or missing.
        LogError: the start or the end of the topic was altered.
    """
    end, start = end_of(db, topic), start_of(db, topic)
    at, is_begun = max(offset, start or 0), start is not None
    for first, found in _found_from(db, topic, at):
        if first > at and (is_begun or _has_row_up_to(db, topic, at)):
            raise _damaged(topic, at, first, "they are missing")
        row = _verified(topic, found)
        if row is None:
            why = "they were altered" if found else "they cannot be read"
            raise _damaged(topic, max(at, first), _first_after(db, topic, first) or end, why)
        yield row
        at, is_begun = row.next, True
    if at < end and (is_begun or _has_row_up_to(db, topic, at)):
        raise _damaged(topic, at, end, "they are missing")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite found a damaged page, or a value that is not of its column's type."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF == sqlite3.SQLITE_CORRUPT


def _found_from(db: sqlite3.Connection, topic: str, offset: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The first offset of each row, and its columns; none if SQLite cannot read them."""
    at = offset
    try:
        for row in db.execute(f"{_COLUMNS}{_FROM} AND next_offset > ?2 ORDER BY batch.first_offset", (topic, offset)):
            yield whole(row[0]), row
            at = row[1]
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    else:
        return
    firsts = db.execute(f"SELECT first_offset FROM batch {_FROM} ORDER BY first_offset", (topic, at))  # from the index
    for (first,) in firsts.fetchall():
        row = _read(db, topic, first)
        if not row or row[1] > at:
            yield whole(first), row


def _read(db: sqlite3.Connection, topic: str, first: int) -> tuple[Any, ...]:
    try:
        row = db.execute(f"{_COLUMNS} WHERE topic = ? AND batch.first_offset = ?", (topic, first)).fetchone()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return ()
    return row if row and isinstance(row[1], int) else ()


def _verified(topic: str, found: tuple[Any, ...]) -> StoredRow | None:
    """The row as it was appended; None if it is damaged."""
    if [type(value) for value in found[:4]] != [int, int, int, bytes]:
        return None
    first, end, appended_at, blob, checksum = found
    if not is_as_written(checksum, topic, (first, end, appended_at), blob):
        return None
    try:
        messages = _decode(blob)
    except msgspec.MsgspecError:
        return None
    return StoredRow(first, end, appended_at, messages) if len(messages) == end - first else None


def _has_row_up_to(db: sqlite3.Connection, topic: str, offset: int) -> bool:
    """Whether a row begins at an offset or before it; if none does, retention may have removed it."""
    query = "SELECT 1 FROM batch WHERE topic = ? AND first_offset <= ? LIMIT 1"
    return db.execute(query, (topic, offset)).fetchone() is not None


def _first_after(db: sqlite3.Connection, topic: str, first: int) -> int | None:
    """The first offset of the next row."""
    query = "SELECT min(first_offset) FROM batch WHERE topic = ? AND first_offset > ?"
    (found,) = db.execute(query, (topic, first)).fetchone()
    return None if found is None else whole(found)


def _damaged(topic: str, start: int, end: int, why: str) -> LogDamaged:
    return LogDamaged(f"messages of the log are damaged: {why}", topic=topic, partition=0, start=start, end=end)
