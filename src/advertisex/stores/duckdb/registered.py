"""Frames as tables of a DuckDB connection."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb
import polars as pl


@contextmanager
def registered(db: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> Iterator[None]:
    """Let the SQL within the caller's transaction read a frame as a table of this name."""
    db.register(name, frame.to_arrow())
    try:
        yield
    finally:
        # an aborted transaction allows nothing but the rollback, which drops the table
        with suppress(duckdb.TransactionException):
            db.unregister(name)
