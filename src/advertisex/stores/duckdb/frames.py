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
    db: duckdb.DuckDBPyConnection, table: str, columns: str, where: str, values: Sequence[Any]
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table in parts of about 32 MiB, as they are when the scan begins.

    Args:
        db: a connection of the scan's own.
        table: the table.
        columns: what to select.
        where: the WHERE clause, or nothing.
        values: the values of its parameters.
    """
    db.begin()
    try:
        ((end,),) = db.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {table}").fetchall()
        more = f" AND ({where.removeprefix('WHERE ')})" if where else ""
        query = f"SELECT {columns} FROM {table} WHERE rowid >= ? AND rowid < ?{more}"
        start, rows, wanted = 0, _FIRST_ROWS, _UNKNOWN_ROWS
        while start < end:
            frame = frame_of(db, query, [start, start + rows, *values])
            start += rows
            if frame.height:
                wanted = max(1, _READ_BYTES * frame.height // max(1, int(frame.estimated_size())))
                yield frame
            rows = min(rows * _GROWTH, wanted)
    finally:
        db.rollback()
