"""Scans of the embedded store read a table in parts: together they are the table, whatever their sizes."""

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import polars as pl
import pytest

from advertisex.feeds import FEEDS
from advertisex.model import Position
from advertisex.processing.runner import process_log
from advertisex.stores.contract import RejectQuery
from advertisex.stores.duckdb import frames, rejects
from advertisex.stores.duckdb.frames import scan_table
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.testing import memory_log

ROWS = 30_000


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """A table in which every third row was deleted, and the last thousand are wide."""
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE t AS SELECT i, i // 10000 AS part, repeat('x', if(i < {ROWS - 1000}, 10, 5000)) AS wide "
            f"FROM range({ROWS}) r(i)"
        )
        connection.execute("DELETE FROM t WHERE i % 3 = 0")
        yield connection


@pytest.mark.parametrize("together", [50_000, 1 << 20, 32 << 20])
@pytest.mark.parametrize(
    ("where", "values"),
    [("", []), ("WHERE part = ?", [1]), ("WHERE part = ? OR i = ?", [2, 7]), ("WHERE i < ?", [0])],
)
def test_the_parts_of_a_scan_are_the_table(
    db: duckdb.DuckDBPyConnection, where: str, values: Sequence[Any], together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_READ_BYTES", together)
    expected = db.execute(f"SELECT i FROM t {where} ORDER BY i", values).fetchall()
    parts = list(scan_table(db.cursor(), "t", "i, wide", where, values))
    assert sorted(row[:1] for part in parts for row in part.iter_rows()) == expected


def test_a_scan_sees_the_table_as_it_was_when_it_began(db: duckdb.DuckDBPyConnection) -> None:
    scan = scan_table(db.cursor(), "t", "i", "", [])
    seen = next(scan).height
    db.execute("INSERT INTO t SELECT 1000000 + i, 0, '' FROM range(100) r(i)")
    try:
        assert seen + sum(part.height for part in scan) == ROWS - ROWS // 3
    finally:
        db.execute("DELETE FROM t WHERE i >= 1000000")


def test_the_rejects_of_many_pages_are_all_of_them_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "PAGE_BYTES", 10 * 2**8)
    topic = FEEDS["clicks"].topic
    with memory_log() as log, DuckdbStore(":memory:") as store:
        log.append(topic, [b"{%d" % number for number in range(137)])
        process_log(log, store)
        for columns in (["offset", "reason"], ["offset", "reason", "payload"]):
            parts = list(store.scan_rejects(RejectQuery(), columns))
            assert len(parts) > 10
            assert pl.concat(parts)["offset"].to_list() == list(range(137))
        limited = pl.concat(store.scan_rejects(RejectQuery(limit=25), ["offset"]))
        assert limited["offset"].to_list() == list(range(25))
        one = store.rejects(RejectQuery(positions=[Position(topic, 0, 99)]))
        assert one["payload"].to_list() == [b"{99"]
