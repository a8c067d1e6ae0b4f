"""Checksums of what the file holds: what was altered or swapped is found when it is read.

They are in a table of their own, because a process of an earlier version inserts rows without them. If such a process
changes a row, a trigger removes its checksum. The row is then unverified, like those of older files.
"""

import sqlite3

from xxhash import xxh3_64

CHECKSUM_SCHEMA = """
CREATE TABLE IF NOT EXISTS checksum (
    kind         TEXT NOT NULL,     -- batch, origin, state, topic or start
    name         TEXT NOT NULL,     -- the topic, or the key of the state
    first_offset INTEGER NOT NULL,  -- of a batch or an origin; otherwise 0
    value        INTEGER NOT NULL,
    PRIMARY KEY (kind, name, first_offset)
) WITHOUT ROWID;
""" + "".join(
    f"""
CREATE TRIGGER IF NOT EXISTS {kind}_{change}d AFTER {change.upper()} ON {kind} BEGIN
    DELETE FROM checksum WHERE kind = '{kind}' AND name = OLD.{name} AND first_offset = {first};
END;
"""
    for kind, name, first in (
        ("batch", "topic", "OLD.first_offset"),
        ("origin", "topic", "OLD.first_offset"),
        ("state", "key", "0"),
        ("topic", "name", "0"),
        ("start", "topic", "0"),
    )
    for change in ("update", "delete")
)


def checksum_of(name: str, numbers: tuple[int, ...], content: bytes) -> int:
    """The checksum of a row, as a signed integer of 64 bits.

    Args:
        name: the topic, or the key of the state.
        numbers: all other columns but the content.
        content: the content.
    """
    digest = xxh3_64(f"{len(name)}:{name}{numbers}".encode())
    digest.update(content)
    return int.from_bytes(digest.digest(), "big", signed=True)


def put_checksum(db: sqlite3.Connection, kind: str, name: str, numbers: tuple[int, ...], content: bytes) -> None:
    """Write the checksum of a row that was just written; the first of the numbers, if any, is its first offset."""
    row = (kind, name, numbers[0] if numbers else 0, checksum_of(name, numbers, content))
    db.execute("INSERT OR REPLACE INTO checksum VALUES (?, ?, ?, ?)", row)


def checksum_in(db: sqlite3.Connection, kind: str, name: str, numbers: tuple[int, ...]) -> int | None:
    """The checksum in the file; None for an unverified row."""
    query = "SELECT value FROM checksum WHERE kind = ? AND name = ? AND first_offset = ?"
    row = db.execute(query, (kind, name, numbers[0] if numbers else 0)).fetchone()
    return row[0] if row else None


def is_as_written(value: int | None, name: str, numbers: tuple[int, ...], content: bytes) -> bool:
    """Whether a row has its checksum; a row without one is unverified, and passes."""
    return value is None or value == checksum_of(name, numbers, content)
