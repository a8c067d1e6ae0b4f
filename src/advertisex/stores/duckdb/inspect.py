"""Reads the ledger of the embedded store, and checks the store against it."""

from pathlib import Path

import duckdb

from advertisex.feeds import FEEDS
from advertisex.model import COUNT_NAMES, Counts, Finding, LedgerRow, Partition
from advertisex.stores.ledger_check import Held, counted

_TABLES = (*FEEDS, "rejects")


def ledger_of(db: duckdb.DuckDBPyConnection) -> list[LedgerRow]:
    """The rows of the ledger, by partition.

    Raises:
        duckdb.Error: it cannot be read.
    """
    columns = f"topic, partition, next_offset, coalesce(log, ''), coalesce(append_id, ''), {', '.join(COUNT_NAMES)}"
    rows = db.execute(f"SELECT {columns} FROM ledger ORDER BY topic, partition").fetchall()
    return [
        LedgerRow(topic, number, end, Counts(*counts), log, append_id)
        for topic, number, end, log, append_id, *counts in rows
    ]


def findings(db: duckdb.DuckDBPyConnection, path: Path) -> list[Finding]:
    """The checks of `advertisex doctor`: the number of stored rows, and whether it matches the ledger.

    They read one snapshot: a commit in between would look like a change by something else.

    Raises:
        duckdb.Error: the store cannot be read.
    """
    db.begin()
    try:
        rows = ", ".join(f"{name} {db.table(name).shape[0]:,}" for name in _TABLES)
        store = Finding("store", True, f"{path}: DuckDB {duckdb.__version__}; {rows}")
        all_rows = " UNION ALL ".join(
            f"SELECT topic, partition, {name == 'rejects'} AS is_reject FROM {name}" for name in _TABLES
        )
        held = db.execute(
            "SELECT topic, partition, count(*) FILTER (NOT is_reject), count(*) FILTER (is_reject) "
            f"FROM ({all_rows}) GROUP BY topic, partition"
        ).fetchall()
        found = {Partition(topic, number): Held(*counts) for topic, number, *counts in held}
        return [store, counted(ledger_of(db), found)]
    finally:
        db.rollback()
