"""The DuckDB store, beyond the contract: a single writing process, and tables for users' own SQL."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from threading import Event, Thread

import duckdb
import polars as pl
import pytest

from advertisex.errors import ConfigurationError, StoreBusy, StoreError, StoreOutdated
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Batch, Counts, Outcome, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Processing, process_log
from advertisex.processing.store_check import check_store
from advertisex.simulator import SimulationSettings, publish_simulation
from advertisex.stores.contract import Range, RejectQuery
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.open import open_store
from advertisex.stores.removal import Removal
from advertisex.testing.contracts.store_fixtures import outcome_of

HOLDS_THE_STORE = """
import sys
from pathlib import Path
from advertisex.stores.duckdb.store import DuckdbStore

with DuckdbStore(Path(sys.argv[1]), read_only=sys.argv[2] == "read"):
    print("ready", flush=True)
    sys.stdin.read()
"""
TABLES = {
    *FEEDS,
    "rejects",
    "reject_parts",
    "ledger",
    "commits",
    "notes",
    "catalogue",
    "campaigns",
    "catalogue_imports",
    "store",
}


def outcome(*users: str) -> Outcome:
    payloads = [
        json.dumps(
            {"user_id": user, "timestamp": "2026-01-05T10:00:00.123456Z", "website": "a.com", "creative_id": "c"}
        ).encode()
        for user in users
    ]
    batch = Batch(Span("ad_impressions", 0, 0, len(users)), range(len(users)), payloads, [10**15 * 2] * len(users))
    return process(batch, FEEDS["impressions"], Policy())


@contextmanager
def held(path: Path, how: str) -> Iterator[int]:
    """Have another process open the store; yields its id."""
    command = [sys.executable, "-c", HOLDS_THE_STORE, str(path), how]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        yield holder.pid
    finally:
        holder.communicate(timeout=60)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_open_in_another_process_is_busy_and_the_process_is_named(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "store.duckdb"
    with held(path, "write") as pid, pytest.raises(StoreBusy) as caught:
        DuckdbStore(path, read_only=read_only)

    assert f"process {pid}" in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.hint
    DuckdbStore(path).close()  # no longer busy


def test_several_processes_can_read_at_once_but_none_can_write_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with DuckdbStore(path) as store:
        store.commit(outcome("a"))
    with held(path, "read"), DuckdbStore(path, read_only=True) as store:
        assert len(store.ledger()) == 1
    with held(path, "read") as pid, pytest.raises(StoreBusy, match=str(pid)):
        DuckdbStore(path)


def test_a_file_that_is_not_a_database_is_named_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(b"timestamp,user_id\n" * 1000)

    for read_only in (False, True):
        with pytest.raises(StoreError) as caught:
            DuckdbStore(path, read_only=read_only)
        assert str(path) in str(caught.value)
        assert caught.value.hint
        assert "\n" not in str(caught.value)


def test_a_database_without_our_tables_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as other:
        other.execute("CREATE TABLE theirs (i INTEGER)")

    for read_only in (False, True):
        with pytest.raises(StoreError, match="not an AdvertiseX store") as caught:
            DuckdbStore(path, read_only=read_only)
        assert not isinstance(caught.value, StoreOutdated)
    with duckdb.connect(str(path), read_only=True) as other:
        assert other.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("theirs",)]


@pytest.mark.parametrize(("frame", "column"), [("events", "user_id"), ("rejects", "detail")])
def test_a_row_that_the_database_rejects_is_named_and_nothing_of_its_batch_is_stored(
    tmp_path: Path, frame: str, column: str
) -> None:
    good = outcome("a", "")
    bad = getattr(good, frame).with_columns(pl.lit(None, pl.String).alias(column))
    with DuckdbStore(tmp_path / "store.duckdb") as store:
        with pytest.raises(StoreError, match=rf"a row has no value in \w+\.{column}"):
            store.commit(replace(good, **{frame: bad}))
        assert store.ledger() == []
        assert store.commit(good) == Counts(read=2, stored=1, rejected=1)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The store opened with plain DuckDB."""
    path = tmp_path / "store.duckdb"
    with DuckdbStore(path) as store:
        store.commit(outcome("a", "b", ""))
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def test_the_documented_tables_exist_and_every_table_and_column_has_a_comment(
    plain: duckdb.DuckDBPyConnection,
) -> None:
    tables = dict(plain.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall())
    columns = plain.execute("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal")

    assert set(tables) == TABLES
    assert all(tables.values())
    undocumented = [(table, column) for table, column, comment in columns.fetchall() if not comment]
    assert undocumented == []


@pytest.mark.parametrize("feed", FEEDS)
def test_a_table_has_the_columns_of_its_feed(plain: duckdb.DuckDBPyConnection, feed: str) -> None:
    names = [row[0] for row in plain.execute(f"DESCRIBE {feed}").fetchall()]

    own = ["topic", "partition", "offset", "ingested_at", "processed_at"]
    assert names == ["event_id", "user_slice", *FEEDS[feed].columns, *own]


def test_plain_sql_reads_what_is_stored(plain: duckdb.DuckDBPyConnection) -> None:
    assert plain.execute("SELECT user_id, epoch_us(event_time), domain FROM impressions ORDER BY 1").fetchall() == [
        ("a", 1767607200123456, "a.com"),
        ("b", 1767607200123456, "a.com"),
    ]
    assert plain.execute("SELECT read, stored, rejected FROM ledger").fetchall() == [(3, 2, 1)]
    assert plain.execute("SELECT reason, payload FROM rejects").fetchone()[0] == "missing_field"


def test_long_rejects_need_no_memory_for_all_of_them(tmp_path: Path) -> None:
    """DuckDB reads and checkpoints 2,048 values at once; these are beyond its memory limit together."""
    path, random = tmp_path / "store.duckdb", Random(1)
    messages = [random.randbytes(2**20) for _ in range(80)]
    for start in range(0, 80, 20):  # closing it makes a checkpoint
        with DuckdbStore(path, memory="64MB") as store:
            store.commit(outcome_of("clicks", *messages[start : start + 20], start=start))
    with DuckdbStore(path, memory="64MB", read_only=True) as store:
        found = (message for part in store.scan_rejects(RejectQuery()) for message in part["payload"])
        assert all(a == b for a, b in zip(found, messages, strict=True))


def test_the_parts_of_long_rejects_are_removed_with_them(tmp_path: Path) -> None:
    path, message = tmp_path / "store.duckdb", b"x" * 40_000
    gone = pl.DataFrame({"topic": ["clicks_conversions"], "partition": [0], "offset": [0]})
    with DuckdbStore(path) as store:
        store.commit(outcome_of("clicks", message, message, message))
        store.remove(Removal("e1", [], gone.with_columns(feed=pl.lit("clicks"), kind=pl.lit("rejected")), {}))
    assert parts_of(path) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    with DuckdbStore(path) as store:
        store.drop_before(datetime(2026, 12, 1))
    assert parts_of(path) == []


def parts_of(path: Path) -> list[tuple[int, int]]:
    with duckdb.connect(str(path), read_only=True) as db:
        return db.execute('SELECT "offset", part FROM reject_parts ORDER BY ALL').fetchall()


@pytest.mark.parametrize(
    ("statement", "length"),
    [
        ('DELETE FROM reject_parts WHERE "offset" = 1 AND part = 1', "23,616"),
        ('DELETE FROM reject_parts WHERE "offset" = 1 AND part = 2', "32,768"),
        ('DELETE FROM reject_parts WHERE "offset" = 1', "16,384"),
        ('INSERT INTO reject_parts SELECT * FROM reject_parts WHERE "offset" = 1 AND part = 2', "47,232"),
        ("""UPDATE rejects SET payload = 'y' WHERE "offset" = 1""", "23,617"),
    ],
)
def test_a_long_reject_with_missing_parts_is_damaged(tmp_path: Path, statement: str, length: str) -> None:
    path = tmp_path / "store.duckdb"
    with DuckdbStore(path) as store:
        store.commit(outcome_of("clicks", *[b"x" * 40_000] * 3))
    with duckdb.connect(str(path)) as db:
        db.execute(statement)

    with DuckdbStore(path, read_only=True) as store:
        expected = f"a reject has {length} bytes, expected 40,000"
        for read in (lambda: store.rejects(RejectQuery()), lambda: check_store(store, FEEDS, int, identities=True)):
            with pytest.raises(StoreError, match=expected) as caught:
                read()
            assert caught.value.where == "clicks_conversions/0/1"
            assert "advertisex rebuild" in caught.value.hint
        assert sum(part.height for part in store.scan_rejects(RejectQuery(), ["reason"])) == 3


def test_opening_a_store_again_changes_nothing_in_it(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    for _ in range(2):
        with DuckdbStore(path) as store:
            if not store.ledger():
                store.commit(outcome("a", ""))
            assert sum(f.height for f in store.scan("impressions", ["user_id"], Range())) == 1
            assert store.rejects(RejectQuery()).height == 1


@pytest.mark.parametrize("url", ["http://localhost:9200", "store.duckdb", ""])
def test_an_unsupported_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="unsupported event store URL") as caught:
        open_store(url)

    assert "duckdb:///" in caught.value.hint


@pytest.mark.parametrize("url", ["duckdb:///", "duckdb:///:memory:named", "duckdb://user:secret@host", "duckdb://a.db"])
def test_an_invalid_url_of_a_file_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid URL of the embedded store") as caught:
        open_store(url)

    assert "a file, without host, user or password: use --store duckdb:///path" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_the_ledger_can_be_read_from_another_thread_during_commits(tmp_path: Path) -> None:
    """As a Kafka reader does when it is assigned a partition."""
    log = SqliteLog(tmp_path / "log.db")
    publish_simulation(log, SimulationSettings(events=5_000))
    done, asked = Event(), list[int]()
    with DuckdbStore(tmp_path / "store.duckdb") as store, log:

        def ask() -> None:
            while not done.is_set():
                asked.append(sum(store.positions().values()))

        thread = Thread(target=ask)
        thread.start()
        counts = process_log(log, store, Processing(FEEDS, batch_size=100))
        done.set()
        thread.join()

    assert counts.read == 5_000
    assert asked == sorted(asked), "positions never go back"


def test_old_events_are_dropped_while_others_read(tmp_path: Path) -> None:
    with DuckdbStore(tmp_path / "store.duckdb") as store:
        store.commit(outcome_of("clicks", {"timestamp": "2026-01-05T23:00:00Z"}, {"timestamp": "2026-01-06T00:00:00Z"}))
        reading = store.scan("clicks", ["event_time"], Range())
        before = next(reading)

        removed = store.drop_before(store.period_start(datetime(2026, 1, 6, 12)))

        assert (removed.removed, before.height) == (1, 2)
        assert store.extent("clicks", Range()).first == datetime(2026, 1, 6)
        reading.close()
