"""The checks of `advertisex doctor` on a DuckDB store."""

from pathlib import Path

import duckdb

from advertisex.feeds import FEEDS
from advertisex.model import Finding, LedgerRow, Partition
from advertisex.stores.counted import Held, counted

_TABLES = (*FEEDS, "rejects")


def inspect(db: duckdb.DuckDBPyConnection, path: Path, ledger: list[LedgerRow]) -> list[Finding]:
    """Report the number of stored rows, and whether it matches the ledger."""
    rows = ", ".join(f"{name} {db.table(name).shape[0]:,}" for name in _TABLES)
    store = Finding("store", True, f"{path}: DuckDB {duckdb.__version__}; {rows}")
    all_rows = " UNION ALL ".join(
        f"SELECT topic, partition, {name == 'rejects'} AS is_reject FROM {name}" for name in _TABLES
    )
    held = db.execute(
        "SELECT topic, partition, count(*) FILTER (NOT is_reject), count(*) FILTER (is_reject) "
        f"FROM ({all_rows}) GROUP BY topic, partition"
    ).fetchall()
    return [store, counted(ledger, {Partition(topic, number): Held(*counts) for topic, number, *counts in held})]
