"""Rejects in the embedded store: a long message is stored in parts.

DuckDB holds 2,048 values of a column at once when it reads it or writes a checkpoint, however long they are. Parts
bound that, and a scan reads the messages page by page.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb
import polars as pl

from advertisex.errors import StoreError
from advertisex.model import Outcome, Position
from advertisex.stores.contract import RejectQuery
from advertisex.stores.duckdb.conditions import reject_conditions
from advertisex.stores.duckdb.faults import RESTORE_STORE
from advertisex.stores.duckdb.frames import frame_of, registered
from advertisex.stores.reject_pages import PAGE_BYTES, ROW_BYTES

#: Bytes of a message in the table `rejects`, and of each further part in `reject_parts`.
PART_BYTES = 2**14

#: What a reject takes without its message, and with a detail of usual length.
_NARROW_BYTES = 2**8

_ORDER = 'topic, partition, "offset"'
_RANGE = 'topic = ? AND partition = ? AND "offset" BETWEEN ? AND ?'
_PARTS = {"offset": pl.Int64(), "part": pl.Int32(), "payload": pl.Binary()}
#: Topic, partition, first and last offset of a page.
_Page = tuple[str, int, int, int]


def insert_rejects(
    db: duckdb.DuckDBPyConnection, outcome: Outcome, rejects: pl.DataFrame, commit_time: datetime
) -> None:
    """Insert rejects of an outcome, in the caller's transaction."""
    if not rejects.height:
        return
    of = (outcome.span.topic, outcome.span.partition)
    payload = pl.col("payload")
    firsts = rejects.with_columns(payload.bin.head(PART_BYTES), bytes=payload.bin.size())
    with registered(db, "new_rejects", firsts):
        db.execute(
            'INSERT INTO rejects SELECT ?, ?, "offset", ?, kind, stage, reason, detail, payload, bytes, ingested_at, '
            "?, NULL, NULL FROM new_rejects",
            (*of, outcome.feed, commit_time),
        )
    for offset, message in rejects.filter(payload.bin.size() > PART_BYTES).select("offset", "payload").iter_rows():
        starts = range(PART_BYTES, len(message), PART_BYTES)
        rows = [(offset, part, message[start : start + PART_BYTES]) for part, start in enumerate(starts, start=1)]
        with registered(db, "new_parts", pl.DataFrame(rows, schema=_PARTS, orient="row")):
            db.execute('INSERT INTO reject_parts SELECT ?, ?, "offset", part, payload FROM new_parts', of)


def scan_rejects(db: duckdb.DuckDBPyConnection, query: RejectQuery, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """These columns of rejects, with whole messages, in order of position; in one transaction of a connection.

    Raises:
        StoreError: a message is not as long as it was.
    """
    db.begin()
    try:
        size = f"bytes + {ROW_BYTES}" if "payload" in columns else f"{_NARROW_BYTES}"
        for page in _pages(db, query, size):
            yield _read(db, query, columns, page)
    finally:
        db.rollback()


def _pages(db: duckdb.DuckDBPyConnection, query: RejectQuery, size: str) -> list[_Page]:
    where, values = reject_conditions(query)
    limit = "" if query.limit is None else f"LIMIT {int(query.limit)}"
    before = f"sum({size}) OVER (ORDER BY {_ORDER} ROWS UNBOUNDED PRECEDING)"
    return db.execute(
        f'SELECT topic, partition, min("offset"), max("offset") FROM '
        f'(SELECT topic, partition, "offset", {before} // {PAGE_BYTES} AS page '
        f"FROM rejects {where} ORDER BY {_ORDER} {limit}) GROUP BY topic, partition, page ORDER BY 1, 2, 3",
        values,
    ).fetchall()


def _read(db: duckdb.DuckDBPyConnection, query: RejectQuery, columns: Sequence[str], page: _Page) -> pl.DataFrame:
    where, values = reject_conditions(query)
    names = ", ".join(f'"{name}"' for name in columns)
    rows = frame_of(
        db,
        f'SELECT {names}, "offset" AS _at, bytes AS _bytes FROM rejects '
        f'{where or "WHERE true"} AND {_RANGE} ORDER BY "offset"',
        [*values, *page],
    )
    if "payload" not in columns:
        return rows.select(columns)
    long = rows.filter(pl.col("_bytes") > PART_BYTES)
    if long.height:
        found = db.execute(
            f'SELECT "offset", payload FROM reject_parts WHERE {_RANGE} '
            f'AND "offset" IN ({", ".join(map(str, long["_at"]))}) ORDER BY "offset", part',
            page,
        ).fetchall()
        whole: dict[int, list[bytes]] = {at: [first] for at, first in long.select("_at", "payload").iter_rows()}
        for at, part in found:
            whole[at].append(part)
        messages = [b"".join(whole[at]) if at in whole else first
                    for at, first in rows.select("_at", "payload").iter_rows()]  # fmt: skip
        rows = rows.with_columns(payload=pl.Series(messages, dtype=pl.Binary))
    _check_lengths(rows, page)
    return rows.select(columns)


def _check_lengths(rows: pl.DataFrame, page: _Page) -> None:
    """Check that no part of a message is missing or altered in length."""
    found = rows.select("_at", pl.col("payload").bin.size().alias("length"), "_bytes")
    for at, length, expected in found.filter(pl.col("length") != pl.col("_bytes")).head(1).iter_rows():
        raise StoreError(
            f"the event store is damaged: the message of a reject has {length:,} bytes, expected {expected:,}",
            where=str(Position(*page[:2], at)),
            hint=RESTORE_STORE,
        )
