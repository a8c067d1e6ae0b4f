"""`process` is killed repeatedly at random times: the result is exactly that of an uninterrupted run.

It also removes from the log what it has processed, which must not change the result.
"""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Counts
from advertisex.stores.contract import RejectQuery
from advertisex.stores.duckdb.store import DuckdbStore
from tests.budget import thorough

EVENTS = 200_000
KILLS = 50
#: About two batches are committed before each kill, so that the end is not reached before the last kill.
BATCH = 1_000
#: Share of kills during startup: opening files and replaying the write-ahead log of the previous process.
STARTING = 1 / 6
#: Bytes of write-ahead log: opening a store writes less, a batch writes more.
COMMIT_BYTES = 40_000
TIMEOUT_SECONDS = 60

ADVERTISEX = str(Path(sys.executable).with_name("advertisex"))


def advertisex(*arguments: str | Path) -> None:
    subprocess.run([ADVERTISEX, *map(str, arguments)], check=True, capture_output=True, timeout=300)


def wait_for_a_commit(worker: subprocess.Popen[bytes], wal: Path) -> None:
    """Wait until the write-ahead log grows by a commit, or the process ends."""
    lowest, deadline = None, time.monotonic() + TIMEOUT_SECONDS
    while worker.poll() is None:
        size = wal.stat().st_size if wal.exists() else 0
        lowest = size if lowest is None else min(size, lowest)
        if size - lowest > COMMIT_BYTES:
            return
        assert time.monotonic() < deadline, "nothing was committed in a minute"
        time.sleep(0.001)


def killed_once(data: Path, chance: random.Random) -> bool:
    """Start `process` and kill it; return whether it was killed before its end."""
    command = [ADVERTISEX, "process", "--data", str(data), "--batch-size", str(BATCH)]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if chance.random() < STARTING:
        time.sleep(chance.uniform(0.3, 1.2))
    else:
        wait_for_a_commit(worker, data / "store.duckdb.wal")
        time.sleep(chance.uniform(0, 0.1))
    worker.kill()
    return worker.wait(timeout=TIMEOUT_SECONDS) == -signal.SIGKILL


def processed(data: Path) -> int:
    """Check the tables against the ledger, and return how many messages the ledger counts."""
    path = data / "store.duckdb"
    if not path.exists():
        return 0
    with duckdb.connect(str(path), read_only=True) as plain:
        tables = {name for (name,) in plain.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if not {*FEEDS, "rejects", "ledger"} <= tables:
            return 0  # killed while creating the tables
        (events,) = plain.execute(f"SELECT {' + '.join(f'(SELECT count(*) FROM {f})' for f in FEEDS)}").fetchone() or (
            0,
        )
        (rejects,) = plain.execute("SELECT count(*) FROM rejects").fetchone() or (0,)
        read, stored, duplicate, not_valid, conflict = plain.execute(
            "SELECT coalesce(sum(read), 0), coalesce(sum(stored), 0), coalesce(sum(duplicate), 0), "
            "coalesce(sum(filtered + rejected), 0), coalesce(sum(conflict), 0) FROM ledger"
        ).fetchone() or (0, 0, 0, 0, 0)
    assert (stored, not_valid + conflict) == (events, rejects)
    assert read == stored + duplicate + not_valid
    return int(read)


def contents(data: Path) -> dict[str, Any]:
    """Return everything that is stored, except processed_at."""
    with duckdb.connect(str(data / "store.duckdb"), read_only=True) as plain:
        tables: dict[str, Any] = {
            name: pl.DataFrame(
                plain.sql(f'SELECT * EXCLUDE (processed_at) FROM {name} ORDER BY topic, partition, "offset"')
            )
            for name in (*FEEDS, "rejects")
        }
    with DuckdbStore(data / "store.duckdb", read_only=True) as store:
        return tables | {"ledger": store.ledger(), "reasons": store.reject_counts(RejectQuery()).rows()}


@thorough
def test_a_run_killed_many_times_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, uninterrupted = tmp_path / "killed", tmp_path / "uninterrupted"
    advertisex("simulate", "--events", str(EVENTS), "--seed", "3", "--data", killed)
    log = f"sqlite:///{killed / 'log.db'}"
    advertisex("process", "--data", uninterrupted, "--log", log, "--config", killed / "advertisex.toml")

    monkeypatch.setenv("ADVERTISEX_LOG__KEEP_SIZE", "1MB")
    chance, kills, counts = random.Random(20261124), 0, [0]
    while kills < KILLS:
        kills += killed_once(killed, chance)
        counts.append(processed(killed))
    advertisex("process", "--data", killed, "--batch-size", str(BATCH))

    assert kills >= KILLS
    assert counts == sorted(counts)  # commits are durable
    assert len({count for count in counts if 0 < count < EVENTS}) > KILLS // 2  # most kills came between start and end
    found, expected = contents(killed), contents(uninterrupted)
    assert sum((row.counts for row in found["ledger"]), Counts()).read == EVENTS
    assert (found["ledger"], found["reasons"]) == (expected["ledger"], expected["reasons"])
    for name in (*FEEDS, "rejects"):
        frame: pl.DataFrame = found[name]
        assert frame.height > 0
        assert frame.equals(expected[name]), name
    with SqliteLog(killed / "log.db") as left:
        assert sum(left.start_offsets().values()) > EVENTS // 2
