"""The rows of the embedded log: each has the messages of an append, or a part of them."""

import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from advertisex.errors import LogDamaged
from advertisex.logs.append_time import append_times
from advertisex.logs.contract import READ_BYTES
from advertisex.logs.sqlite.checksums import put_checksum
from advertisex.logs.sqlite.stored_rows import StoredRow, rows_from
from advertisex.logs.sqlite.topics import end_of, put_end, put_start
from advertisex.model import TOMBSTONE, Batch, Span

#: Limits on the messages of one row.
_ROW_BYTES = 8 * 2**20
_ROW_MESSAGES = 50_000


def insert_messages(db: sqlite3.Connection, topic: str, first: int, messages: Sequence[bytes], now: int) -> int:
    """Insert messages from offset `first` on, within the caller's transaction; returns the next offset."""
    end = first
    for part in _chunks(messages):
        numbers, blob = (end, end + len(part), now), msgspec.msgpack.encode(part)
        db.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?)", (topic, *numbers, blob))
        put_checksum(db, "batch", topic, numbers, blob)
        end += len(part)
    if messages:
        put_end(db, topic, end)
        if not first:
            put_start(db, topic, 0)
    return end


def read_messages(db: sqlite3.Connection, topic: str, offset: int, limit: int, now: int) -> Batch:
    """Read at most `limit` messages from `offset` on, or from the first one after it that is kept.

    The time `now` replaces implausible append times.

    Raises:
        LogDamaged: the message at `offset` is damaged; it is the next one of a later read if those before it are not.
    """
    payloads: list[bytes] = []
    times: list[int] = []
    append_id = ""
    start, room = max(offset, end_of(db, topic)), READ_BYTES  # without rows, all before the end were removed
    try:
        for row in rows_from(db, topic, offset):
            if not payloads:
                start = max(offset, row.first)
            skipped = start + len(payloads) - row.first
            part = row.messages[skipped : skipped + limit - len(payloads)]
            part, room = _fitting(part, room, at_least=0 if payloads else 1)
            payloads += part
            times += [row.appended_at] * len(part)
            append_id = _append_id(row) if part else append_id
            if len(payloads) == limit or room <= 0:
                break
    except LogDamaged:
        if not payloads:
            raise
    end = start + len(payloads)
    times, untimed = append_times(times, now)
    span = Span(topic, 0, offset, end)
    return Batch(span, range(start, end), payloads, times, lost=start - offset, untimed=untimed, append_id=append_id)


def append_id_before(db: sqlite3.Connection, topic: str, end: int) -> str:
    """The id of the append of the message before an offset; empty if it was removed, or is damaged."""
    try:
        row = next(rows_from(db, topic, end - 1), None) if end else None
    except LogDamaged:
        return ""
    return _append_id(row) if row and row.first < end else ""


def _append_id(row: StoredRow) -> str:
    """What identifies a row, whatever is erased from it: no other append had its place at its time."""
    return f"{row.first}-{row.next}@{row.appended_at}"


def erase_from_row(db: sqlite3.Connection, topic: str, left: deque[int]) -> None:
    """Overwrite messages of the row with the first offset; removes the processed offsets from `left`.

    Within the caller's transaction, so that it never undoes a concurrent erasure.
    """
    row = next(rows_from(db, topic, left[0]), None)
    if row is None or left[0] < row.first:
        left.popleft()  # no message at this offset
        return
    while left and left[0] < row.next:
        row.messages[left.popleft() - row.first] = TOMBSTONE
    blob = msgspec.msgpack.encode(row.messages)
    db.execute("UPDATE batch SET messages = ? WHERE topic = ? AND first_offset = ?", (blob, topic, row.first))
    put_checksum(db, "batch", topic, (row.first, row.next, row.appended_at), blob)


def _chunks(messages: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split messages into chunks of limited size, so that a read never decodes much more than it needs."""
    if len(messages) <= _ROW_MESSAGES and sum(map(len, messages)) <= _ROW_BYTES:
        if messages:
            yield list(messages)
        return
    totals = list(accumulate(map(len, messages)))
    start = 0
    while start < len(messages):
        before = totals[start - 1] if start else 0
        fitting = bisect_right(totals, before + _ROW_BYTES, start)
        end = max(start + 1, min(fitting, start + _ROW_MESSAGES))
        yield list(messages[start:end])
        start = end


def _fitting(part: list[bytes], room: int, at_least: int) -> tuple[list[bytes], int]:
    """The first messages that fit into `room` bytes, but at least `at_least`; and the room left (≤ 0: none)."""
    totals = list(accumulate(map(len, part)))
    if not totals or totals[-1] <= room:
        return part, room - (totals[-1] if totals else 0)
    count = max(at_least, sum(total <= room for total in totals))
    return part[:count], 0
