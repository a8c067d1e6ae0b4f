"""What only an old store knows, and a rebuild carries over: whether it can be read, and whether it has changed."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import duckdb

from advertisex.errors import StoreError
from advertisex.stores.replacement import CATALOGUE, LEDGER, MARKS, NOTES

#: With queries that read all of it.
CARRIED = {
    LEDGER: ("SELECT sum(hash(ledger)) FROM ledger",),
    NOTES: ("SELECT sum(hash(notes)) FROM notes",),
    MARKS: (
        'SELECT sum(hash(topic, "partition", "offset", replayed_to)) FROM rejects',
        'SELECT sum(hash(topic, "partition", "offset", resolution)) FROM rejects',
    ),
    CATALOGUE: (
        "SELECT sum(hash(catalogue)) FROM catalogue",
        "SELECT sum(hash(catalogue_imports)) FROM catalogue_imports",
        "SELECT sum(hash(campaigns)) FROM campaigns",
    ),
}


def sums_of(db: duckdb.DuckDBPyConnection, queries: Iterable[str]) -> list[object]:
    """The results of queries, without those of what an older format does not have.

    Raises:
        duckdb.Error: what they read is damaged, for example.
    """
    results: list[object] = []
    for query in queries:
        with suppress(duckdb.CatalogException, duckdb.BinderException):
            results += db.execute(query).fetchall()
    return results


def check_unchanged(db: duckdb.DuckDBPyConnection, content: Mapping[str, list[object] | None], path: Path) -> None:
    """Check that nobody has written to the old store in the moment when it was not locked.

    Args:
        db: the old store.
        content: the results of the queries before; None for what cannot be read.
        path: its file.

    Raises:
        StoreError: somebody has.
        duckdb.Error: it cannot be read.
    """
    for what, sums in content.items():
        if sums is not None and sums_of(db, CARRIED[what]) != sums:
            raise StoreError(
                f"the {what} changed during the rebuild", where=str(path), hint="run `advertisex rebuild` again"
            )
