"""Reads everything that the embedded log holds, for `advertisex doctor --deep`."""

import sqlite3
from collections.abc import Callable, Collection
from itertools import islice

from advertisex.errors import LogDamaged, LogError
from advertisex.logs.sqlite.checksums import is_as_written
from advertisex.logs.sqlite.stored_rows import rows_from
from advertisex.logs.sqlite.topics import end_of, start_of, topics_of
from advertisex.logs.sqlite_faults import RESTORE_LOG
from advertisex.model import Finding, Partition, Span

#: Rows of one query: while it runs, the write-ahead log of a process that appends cannot be begun again.
_ROWS = 100
_ORIGINS = (
    "SELECT origin.first_offset, next_offset, origins, value, topic FROM origin LEFT JOIN checksum "
    "ON kind = 'origin' AND name = topic AND checksum.first_offset = origin.first_offset"
)
_STATES = "SELECT state.value, checksum.value, key FROM state LEFT JOIN checksum ON kind = 'state' AND name = key"
_UNVERIFIED = (
    "SELECT count(*) FROM batch WHERE NOT EXISTS (SELECT 1 FROM checksum "
    "WHERE kind = 'batch' AND name = topic AND checksum.first_offset = batch.first_offset)"
)


def verified(db: sqlite3.Connection, on_messages: Callable[[int], None], lost: Collection[Span]) -> list[Finding]:
    """Read every topic, batch, origin and state, and compare them with their checksums.

    Args:
        db: the open file.
        on_messages: called with the number of messages that were read or are damaged.
        lost: what the ledger counts as lost.
    """
    (answer,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    structure = "its tables and indexes agree" if answer == "ok" else "its tables and indexes do not agree"
    return [
        Finding("log file", answer == "ok", structure, RESTORE_LOG),
        _topics(db),
        _messages(db, on_messages, lost),
        _other(db),
    ]


def _topics(db: sqlite3.Connection) -> Finding:
    altered = [error for topic in topics_of(db) if (error := _fault_of(db, topic))]
    if not altered:
        return Finding("log topics", True, "each starts and ends where it should")
    return Finding("log topics", False, f"{altered[0].what} ({altered[0].where})", altered[0].hint)


def _fault_of(db: sqlite3.Connection, topic: str) -> LogError | None:
    try:
        end_of(db, topic)
        start_of(db, topic)
    except LogError as error:
        return error
    return None


def _messages(db: sqlite3.Connection, on_messages: Callable[[int], None], lost: Collection[Span]) -> Finding:
    batches, damages = 0, list[LogDamaged]()
    for topic in topics_of(db):
        if _fault_of(db, topic):
            continue
        at, end = 0, end_of(db, topic)
        while at < end:
            start = at
            try:
                for row in islice(rows_from(db, topic, at), _ROWS):
                    batches, at = batches + 1, row.next
                    on_messages(row.next - row.first)
                if at == start:  # all were removed
                    break
            except LogDamaged as error:
                damages.append(error)
                on_messages(error.end - error.start)
                at = error.end
    text = f"{batches:,} batches are as they were appended"
    if unverified := db.execute(_UNVERIFIED).fetchone()[0]:
        text += f"; {unverified:,} of them have no checksum: an earlier version wrote them"
    new = [one for one in damages if not _is_lost(one, lost)]
    if skipped := sum(_skipped(one, lost) for one in damages):
        text += f"; {skipped:,} messages are damaged and were skipped: the ledger counts them as lost"
    if not new:
        return Finding("log messages", True, text)
    count = sum(one.end - one.start - _skipped(one, lost) for one in new)
    return Finding("log messages", False, f"{count:,} are damaged: {new[0].where} first; {text}", new[0].hint)


def _is_lost(damage: LogDamaged, lost: Collection[Span]) -> bool:
    """Whether damaged messages were skipped, up to the last one; those before what was lost had been read."""
    return any(span.of == _of(damage) and span.start < damage.end <= span.end for span in lost)


def _skipped(damage: LogDamaged, lost: Collection[Span]) -> int:
    """How many of the damaged messages the ledger counts as lost."""
    overlaps = (min(damage.end, span.end) - max(damage.start, span.start) for span in lost if span.of == _of(damage))
    return sum(overlap for overlap in overlaps if overlap > 0)


def _of(damage: LogDamaged) -> Partition:
    return Partition(damage.topic, damage.partition)


def _other(db: sqlite3.Connection) -> Finding:
    origins = [
        topic
        for first, end, content, value, topic in db.execute(_ORIGINS)
        if not is_as_written(value, topic, (first, end), content)
    ]
    states = [key for content, value, key in db.execute(_STATES) if not is_as_written(value, key, (), content)]
    if not origins and not states:
        return Finding("log state", True, "the origins of messages and the state of sources are as they were written")
    text = f"damaged: {len(origins):,} origins of messages, {len(states):,} states of sources"
    return Finding("log state", False, text, RESTORE_LOG)
