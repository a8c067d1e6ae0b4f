"""Commit an outcome to the embedded store, within the caller's transaction.

The event time is part of an event's identity, so duplicates have the same event time. Deduplication therefore
searches only the stored events within the batch's own window of event time, and those at the exact times of its
stragglers: its cost hardly grows with history.
"""

from dataclasses import astuple
from datetime import datetime

import duckdb
import polars as pl

from advertisex.model import COUNT_NAMES, Counts, Outcome, Partition
from advertisex.stores.conflicts import conflicts, own_columns
from advertisex.stores.contract import ERASURES
from advertisex.stores.duckdb.frames import frame_of, registered
from advertisex.stores.duckdb.rejects import insert_rejects
from advertisex.stores.ledger_check import FLOOR_MOVED, MOVED_ON, USER_ERASED, ledger_moved
from advertisex.stores.log_identity import check_same_log
from advertisex.stores.retention import FLOOR, RETENTION, Floor, floor_in, is_newer, without_expired

#: Fraction of a batch's events within the window of event time that is searched for duplicates; see `_dense`.
_DENSE_FRACTION = 0.98


def write(db: duckdb.DuckDBPyConnection, outcome: Outcome, commit_time: datetime) -> Counts:
    """Write new events, rejects and the ledger row of an outcome.

    Raises:
        LedgerMoved: the ledger is not at the span's start, or a user was erased or the floor moved in the meantime.
        StoreError: the span belongs to a different log than the ledger.
    """
    _advance(db, outcome)
    known = _known_events(db, outcome)
    fresh, duplicates = outcome.events, outcome.repeated
    if known.height:
        fresh = outcome.events.join(known, on="event_id", how="anti", maintain_order="left")
        duplicates = pl.concat([outcome.events.join(known, on="event_id", how="semi"), duplicates])
    conflicting = conflicts(outcome, duplicates, pl.concat([known, fresh.select(known.columns)]))
    _insert_events(db, outcome, fresh, commit_time)
    rejects = pl.concat([outcome.rejects, conflicting])
    kept = without_expired(rejects, outcome.kept_since)
    insert_rejects(db, outcome, kept, commit_time)
    filtered = int((outcome.rejects["kind"] == "filtered").sum())
    counts = Counts(
        read=outcome.read,
        stored=fresh.height,
        duplicate=duplicates.height,
        filtered=filtered,
        rejected=outcome.rejects.height - filtered,
        erased=outcome.suppressed.height,
        conflict=conflicting.height,
        removed_rejects=rejects.height - kept.height,
        lost=outcome.lost,
    )
    add_counts(db, outcome.span.of, outcome.feed, counts, commit_time, start=outcome.span.start)
    return counts


def _advance(db: duckdb.DuckDBPyConnection, outcome: Outcome) -> None:
    """Move the checkpoint from the span's start to its end."""
    span = outcome.span
    known = db.execute("SELECT count(*) FROM notes WHERE kind = ?", (ERASURES,)).fetchone()
    if known and known[0] > outcome.erasures:
        raise ledger_moved(span, USER_ERASED)
    floor = floor_of(db)
    if floor is not None and is_newer(floor.since, outcome.kept_since):
        raise ledger_moved(span, FLOOR_MOVED)
    row = db.execute("SELECT log FROM ledger WHERE topic = ? AND partition = ?", span.of).fetchone()
    if row is None:
        db.execute(
            f"INSERT INTO ledger (topic, partition, next_offset, {', '.join(COUNT_NAMES)}) "
            f"VALUES (?, ?, ?{', 0' * len(COUNT_NAMES)})",
            (span.topic, span.partition, span.start),
        )
    else:
        check_same_log(span.of, row[0] or "", span.log)
    moved = db.execute(
        "UPDATE ledger SET next_offset = ?, log = coalesce(log, ?), append_id = ? "
        "WHERE topic = ? AND partition = ? AND next_offset = ? RETURNING 1",
        (span.end, span.log or None, outcome.messages.append_id or None, span.topic, span.partition, span.start),
    ).fetchall()
    if not moved:
        raise ledger_moved(span, MOVED_ON)


def floor_of(db: duckdb.DuckDBPyConnection) -> Floor | None:
    """The floor of the store."""
    row = db.execute("SELECT document FROM notes WHERE kind = ? AND key = ?", (RETENTION, FLOOR)).fetchone()
    return None if row is None else floor_in(row[0])


def _known_events(db: duckdb.DuckDBPyConnection, outcome: Outcome) -> pl.DataFrame:
    """The stored events with the id of an event of the outcome: event_id and the feed's columns."""
    events, feed = outcome.events, outcome.feed
    columns = own_columns(outcome)
    if not events.height:
        return events.select("event_id", *columns)
    low, high = (f"make_timestamp({micros})" for micros in _dense(events["event_time"]))
    # The batch has ids of 16 bytes; DuckDB compares a UUID as one number, which is faster
    with registered(db, "batch", events.select("event_id", "event_time")):
        rows = frame_of(
            db,
            f"""
            SELECT known.rowid AS "row" FROM (
                SELECT rowid, event_id, event_time FROM {feed} WHERE event_time BETWEEN {low} AND {high}
                UNION ALL
                SELECT rowid, event_id, event_time FROM {feed} WHERE event_time IN
                    (SELECT event_time FROM batch WHERE event_time NOT BETWEEN {low} AND {high})
            ) known SEMI JOIN batch b
            ON b.event_id::UUID = known.event_id AND b.event_time = known.event_time
            """,
        )
    if rows.is_empty():
        return events.select("event_id", *columns).clear()
    names = ", ".join(f'"{name}"' for name in columns)
    with registered(db, "found", rows):
        query = f'SELECT event_id::BLOB AS event_id, {names} FROM {feed} WHERE rowid IN (SELECT "row" FROM found)'
        found = frame_of(db, query)
    return found.cast({name: events.schema[name] for name in found.columns})


def _insert_events(
    db: duckdb.DuckDBPyConnection, outcome: Outcome, events: pl.DataFrame, commit_time: datetime
) -> None:
    if not events.height:
        return
    span = outcome.span
    columns = ", ".join(f'b."{name}"' for name in own_columns(outcome))
    with registered(db, "batch", events):
        db.execute(
            f"""
            INSERT INTO {outcome.feed} BY NAME
            SELECT b.event_id::UUID AS event_id, b.user_slice, {columns}, ? AS topic, ? AS partition,
                b."offset", b.ingested_at, ? AS processed_at
            FROM batch b
            """,
            (span.topic, span.partition, commit_time),
        )


def add_counts(
    db: duckdb.DuckDBPyConnection,
    of: Partition,
    feed: str,
    counts: Counts,
    commit_time: datetime,
    *,
    start: int | None = None,
    change: str | None = None,
) -> None:
    """Add counts to a ledger row and to the history.

    Args:
        db: connection to the database, within a transaction.
        of: partition of the row.
        feed: name of the feed.
        counts: what to add.
        commit_time: time of the commit.
        start: first offset of the batch, which ends at the row's next offset; None without a batch.
        change: id of the erasure or the retention that moves the counts; None for a batch.
    """
    names, numbers = ", ".join(COUNT_NAMES), astuple(counts)
    added = ", ".join(f"{name} = {name} + ?" for name in COUNT_NAMES)
    db.execute(f"UPDATE ledger SET {added} WHERE topic = ? AND partition = ?", (*numbers, *of))
    db.execute(
        f'INSERT INTO commits (topic, partition, feed, "start", "end", committed_at, {names}, change) '
        f"SELECT topic, partition, ?, coalesce(?, next_offset), next_offset, ?, {', '.join('?' * len(COUNT_NAMES))}, ? "
        "FROM ledger WHERE topic = ? AND partition = ?",
        (feed, start, commit_time, *numbers, change, *of),
    )


def _dense(times: pl.Series) -> tuple[int, int]:
    """The bounds (µs, inclusive) of the shortest window of event time that contains 98 % of the events.

    The others are stragglers. A window that included them would span all the history in between, so they are looked
    up by their exact times.
    """
    micros = times.dt.timestamp("us").sort()
    others = int(len(micros) * (1 - _DENSE_FRACTION))
    start = (micros.tail(others + 1) - micros.head(others + 1)).arg_min() or 0
    return micros[start], micros[len(micros) - 1 - others + start]
