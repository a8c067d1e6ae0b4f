"""Frames as tables of a DuckDB connection, and tables as frames: both are passed as Arrow streams, without a copy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import polars as pl

#: About so many bytes are read at once.
_READ_BYTES = 32 * 2**20
#: Rows of the first read, and of any read while nothing is known of their width; the next one reads at most so many
#: times as many as the one before.
_FIRST_ROWS, _UNKNOWN_ROWS, _GROWTH = 2_048, 32_768, 8
#: How many times as many rows are read at once, at most, if only some of them are selected by value.
_AMONG = 8


class _Stream:
    """A frame that DuckDB reads by its Arrow stream; a Polars frame it would convert with pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._frame.__arrow_c_stream__(requested_schema)


@contextmanager
def registered(db: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> Iterator[None]:
    """Let the SQL within the caller's transaction read a frame as a table of this name."""
    db.register(name, _Stream(frame))
    try:
        yield
    finally:
        # an aborted transaction allows nothing but the rollback, which drops the table
        with suppress(duckdb.TransactionException):
            db.unregister(name)


def frame_of(db: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> pl.DataFrame:
    """Run a query and return its rows."""
    return pl.DataFrame(db.sql(query, params=list(values)))


def scan_table(
    db: duckdb.DuckDBPyConnection,
    table: str,
    columns: str,
    where: str,
    values: Sequence[Any],
    among: pl.Series | None = None,
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table in parts of about 32 MiB, as they are when the scan begins.

    Args:
        db: a connection of the scan's own.
        table: the table.
        columns: what to select.
        where: the WHERE clause, or nothing.
        values: the values of its parameters.
        among: only rows with one of these values in the column that the series is named after.
    """
    if among is not None and among.is_empty():
        return
    db.begin()
    try:
        if among is not None:
            db.register("among", _Stream(pl.DataFrame({"value": among})))  # the rollback drops it
            where = f"""{where or "WHERE true"} AND "{among.name}" IN (SELECT value FROM among)"""
        ((end,),) = db.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {table}").fetchall()
        more = f" AND ({where.removeprefix('WHERE ')})" if where else ""
        query = f"SELECT {columns} FROM {table} WHERE rowid >= ? AND rowid < ?{more}"
        # each read probes all values of `among`; few rows have one, so many can be read at once
        together = 1 if among is None else _AMONG
        start, rows, wanted = 0, _FIRST_ROWS, _UNKNOWN_ROWS * together
        while start < end:
            frame = frame_of(db, query, [start, start + rows, *values])
            start += rows
            if frame.height:
                read = min(rows, frame.height * together)
                wanted = max(1, _READ_BYTES * read // max(1, int(frame.estimated_size())))
                yield frame
            rows = min(rows * _GROWTH, wanted)
    finally:
        db.rollback()
