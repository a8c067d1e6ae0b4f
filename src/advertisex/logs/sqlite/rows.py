"""The rows of the embedded log: each has the messages of an append, or a part of them."""

import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from advertisex.logs.contract import READ_BYTES
from advertisex.model import TOMBSTONE, Batch, Span

#: Limits on the messages of one row.
_ROW_BYTES = 8 * 2**20
_ROW_MESSAGES = 50_000
_decode = msgspec.msgpack.Decoder(list[bytes]).decode


def insert_messages(db: sqlite3.Connection, topic: str, first: int, messages: Sequence[bytes], now: int) -> int:
    """Insert messages from offset `first` on, within the caller's transaction; returns the next offset."""
    end = first
    for part in _chunks(messages):
        row = (topic, end, end + len(part), now, msgspec.msgpack.encode(part))
        db.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?)", row)
        end += len(part)
    return end


def read_messages(db: sqlite3.Connection, topic: str, offset: int, limit: int) -> Batch:
    """Read at most `limit` messages from `offset` on, or from the first one after it that is kept."""
    payloads: list[bytes] = []
    times: list[int] = []
    start, room = offset, READ_BYTES
    for first, appended_at, blob in _rows_from(db, topic, offset):
        if not payloads:
            start = max(offset, first)
        skipped = start + len(payloads) - first
        part = _decode(blob)[skipped : skipped + limit - len(payloads)]
        part, room = _fitting(part, room, at_least=0 if payloads else 1)
        payloads += part
        times += [appended_at] * len(part)
        if len(payloads) == limit or room <= 0:
            break
    end = start + len(payloads)
    return Batch(Span(topic, 0, offset, end), range(start, end), payloads, times)


def erase_from_row(db: sqlite3.Connection, topic: str, left: deque[int]) -> None:
    """Overwrite messages of the row with the first offset; removes the processed offsets from `left`.

    Within the caller's transaction, so that it never undoes a concurrent erasure.
    """
    row = next(_rows_from(db, topic, left[0]), None)
    if row is None or left[0] < row[0]:
        left.popleft()  # no message at this offset
        return
    first, _, blob = row
    messages = _decode(blob)
    while left and left[0] < first + len(messages):
        messages[left.popleft() - first] = TOMBSTONE
    db.execute(
        "UPDATE batch SET messages = ? WHERE topic = ? AND first_offset = ?",
        (msgspec.msgpack.encode(messages), topic, first),
    )


def _rows_from(db: sqlite3.Connection, topic: str, offset: int) -> Iterator[tuple[int, int, bytes]]:
    """The rows from the one with `offset` on, in order."""
    yield from db.execute(
        "SELECT first_offset, appended_at, messages FROM batch WHERE topic = ? AND first_offset >= "
        "coalesce((SELECT max(first_offset) FROM batch WHERE topic = ? AND first_offset <= ?), 0) "
        "AND next_offset > ? ORDER BY first_offset",
        (topic, topic, offset, offset),
    )


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
