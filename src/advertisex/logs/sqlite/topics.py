"""Where each topic of the embedded log starts and ends, whatever rows there are.

Both are verified, because messages before the start or behind the end are not missed by anyone: those before it were
removed by retention, and those behind it do not exist yet.
"""

import sqlite3

from advertisex.errors import LogError
from advertisex.logs.sqlite.checksums import checksum_in, is_as_written, put_checksum
from advertisex.logs.sqlite_faults import RESTORE_LOG
from advertisex.model import Partition

TOPIC_SCHEMA = """
CREATE TABLE IF NOT EXISTS topic (  -- outlives the rows of the topic
    name        TEXT PRIMARY KEY,
    next_offset INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS start (  -- lacks topics from which only an earlier version has removed messages, if any
    topic        TEXT PRIMARY KEY,
    first_offset INTEGER NOT NULL
) WITHOUT ROWID;
"""
#: The topics that have rows, each of which costs one search of the index, and the others.
_TOPICS = """
WITH RECURSIVE one(name) AS (
    SELECT min(topic) FROM batch
    UNION ALL SELECT (SELECT min(topic) FROM batch WHERE topic > name) FROM one WHERE name IS NOT NULL
)
SELECT name FROM one WHERE name IS NOT NULL UNION SELECT name FROM topic ORDER BY name
"""


def topics_of(db: sqlite3.Connection) -> list[str]:
    """All topics, also those that have lost their end."""
    return [name for (name,) in db.execute(_TOPICS).fetchall()]


def end_of(db: sqlite3.Connection, topic: str) -> int:
    """The next offset of a topic; 0 if nothing was ever appended to it.

    Raises:
        LogError: it was altered.
    """
    row = db.execute("SELECT next_offset FROM topic WHERE name = ?", (topic,)).fetchone()
    checksum = checksum_in(db, "topic", topic, ())
    if row is None and checksum is None and _end_of_rows(db, topic) is None:
        return 0
    if row is None or not _is_verified(db, topic, whole(row[0]), checksum):
        raise _altered("end", topic)
    return whole(row[0])


def ends(db: sqlite3.Connection) -> dict[Partition, int]:
    """The next offset of each topic; if it was altered, that of the last row: reading reports it."""
    found = {}
    for topic in topics_of(db):
        try:
            end = end_of(db, topic)
        except LogError:
            end = _end_of_rows(db, topic) or 0
        found[Partition(topic, 0)] = end
    return found


def start_of(db: sqlite3.Connection, topic: str) -> int | None:
    """The first offset that retention has not removed; None if unknown.

    Raises:
        LogError: it was altered.
    """
    row = db.execute("SELECT first_offset FROM start WHERE topic = ?", (topic,)).fetchone()
    checksum = checksum_in(db, "start", topic, ())
    if row is None and checksum is None:
        return None
    if row is None or not is_as_written(checksum, topic, (), b"%d" % whole(row[0])):
        raise _altered("start", topic)
    return whole(row[0])


def put_end(db: sqlite3.Connection, topic: str, end: int) -> None:
    """Write the next offset of a topic, within the caller's transaction."""
    db.execute(
        "INSERT INTO topic VALUES (?, ?) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset", (topic, end)
    )
    put_checksum(db, "topic", topic, (), b"%d" % end)


def put_start(db: sqlite3.Connection, topic: str, start: int) -> None:
    """Write the start of a topic, within the caller's transaction."""
    db.execute(
        "INSERT INTO start VALUES (?, ?) ON CONFLICT DO UPDATE SET first_offset = excluded.first_offset", (topic, start)
    )
    put_checksum(db, "start", topic, (), b"%d" % start)


def whole(value: object) -> int:
    """A value that is a whole number unless the file is damaged: SQLite does not check types.

    Raises:
        sqlite3.DatabaseError: it is not.
    """
    if not isinstance(value, int):
        raise sqlite3.DatabaseError("not a whole number")
    return value


def _is_verified(db: sqlite3.Connection, topic: str, end: int, checksum: int | None) -> bool:
    if checksum is None:  # an earlier version wrote it
        last = _end_of_rows(db, topic)
        return last is None or last <= end
    return is_as_written(checksum, topic, (), b"%d" % end)


def _end_of_rows(db: sqlite3.Connection, topic: str) -> int | None:
    query = "SELECT next_offset FROM batch WHERE topic = ? ORDER BY first_offset DESC LIMIT 1"
    row = db.execute(query, (topic,)).fetchone()
    return whole(row[0]) if row else None


def _altered(what: str, topic: str) -> LogError:
    return LogError(
        f"the event log is damaged: the {what} of a topic was altered",
        where=f"{topic}/0",
        hint=RESTORE_LOG,
    )
