"""`process` is killed at random moments, again and again: the end is exactly that of an undisturbed run."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from advertisex.batches import Counts
from advertisex.feeds import FEEDS
from advertisex.stores.contract import RejectQuery
from advertisex.stores.duckdb import DuckdbStore

EVENTS = 200_000
KILLS = 50
#: About two of these are committed in each short life, so that the end is not reached before the last kill.
BATCH = 1_000
#: One life in six ends while the process starts, opens its files and replays what the last one left.
STARTING = 1 / 6
#: Opening a store writes less than this ahead; a batch writes more.
A_COMMIT_WRITES = 40_000
PATIENCE = 60

ADVERTISEX = str(Path(sys.executable).with_name("advertisex"))


def advertisex(*arguments: str | Path) -> None:
    subprocess.run([ADVERTISEX, *map(str, arguments)], check=True, capture_output=True, timeout=300)


def wait_for_a_commit(worker: subprocess.Popen[bytes], ahead: Path) -> None:
    """Until the write-ahead file grows as a commit makes it grow, or the process is done."""
    lowest, deadline = None, time.monotonic() + PATIENCE
    while worker.poll() is None:
        size = ahead.stat().st_size if ahead.exists() else 0
        lowest = size if lowest is None else min(size, lowest)
        if size - lowest > A_COMMIT_WRITES:
            return
        assert time.monotonic() < deadline, "nothing was committed in a minute"
        time.sleep(0.001)


def killed_once(data: Path, chance: random.Random) -> bool:
    """Start `process` and kill it; whether the kill came before its end."""
    command = [ADVERTISEX, "process", "--data", str(data), "--batch-size", str(BATCH)]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if chance.random() < STARTING:
        time.sleep(chance.uniform(0.3, 1.2))
    else:
        wait_for_a_commit(worker, data / "store.duckdb.wal")
        time.sleep(chance.uniform(0, 0.1))
    worker.kill()
    return worker.wait(timeout=PATIENCE) == -signal.SIGKILL


def processed(data: Path) -> int:
    """How many messages the ledger accounts for, once it is seen that the tables agree with it."""
    path = data / "store.duckdb"
    if not path.exists():
        return 0
    with duckdb.connect(str(path), read_only=True) as plain:
        tables = {name for (name,) in plain.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if not {*FEEDS, "rejects", "ledger"} <= tables:
            return 0  # killed while it made them
        (events,) = plain.execute(f"SELECT {' + '.join(f'(SELECT count(*) FROM {f})' for f in FEEDS)}").fetchone() or (
            0,
        )
        (rejects,) = plain.execute("SELECT count(*) FROM rejects").fetchone() or (0,)
        read, stored, duplicate, refused = plain.execute(
            "SELECT coalesce(sum(read), 0), coalesce(sum(stored), 0), coalesce(sum(duplicate), 0), "
            "coalesce(sum(filtered + rejected), 0) FROM ledger"
        ).fetchone() or (0, 0, 0, 0)
    assert (stored, refused) == (events, rejects)
    assert read == stored + duplicate + refused
    return int(read)


def contents(data: Path) -> dict[str, Any]:
    """All that is stored, but for when it was processed."""
    with duckdb.connect(str(data / "store.duckdb"), read_only=True) as plain:
        tables: dict[str, Any] = {
            name: plain.sql(f'SELECT * EXCLUDE (processed_at) FROM {name} ORDER BY topic, partition, "offset"').pl()
            for name in (*FEEDS, "rejects")
        }
    with DuckdbStore(data / "store.duckdb", read_only=True) as store:
        return tables | {"ledger": store.ledger(), "reasons": store.reject_counts(RejectQuery()).rows()}


def test_a_run_killed_fifty_times_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    advertisex("simulate", "--events", str(EVENTS), "--seed", "3", "--data", disturbed)
    log = f"sqlite:///{disturbed / 'log.db'}"
    advertisex("process", "--data", undisturbed, "--log", log, "--config", disturbed / "advertisex.toml")

    chance, kills, stands = random.Random(20261124), 0, [0]
    while kills < KILLS:
        kills += killed_once(disturbed, chance)
        stands.append(processed(disturbed))
    advertisex("process", "--data", disturbed, "--batch-size", str(BATCH))

    assert kills >= KILLS
    assert stands == sorted(stands)  # what was committed stays
    assert len({stand for stand in stands if 0 < stand < EVENTS}) > KILLS // 2  # kills came amid the work
    found, expected = contents(disturbed), contents(undisturbed)
    assert sum((row.counts for row in found["ledger"]), Counts()).read == EVENTS
    assert (found["ledger"], found["reasons"]) == (expected["ledger"], expected["reasons"])
    for name in (*FEEDS, "rejects"):
        frame: pl.DataFrame = found[name]
        assert frame.height > 0
        assert frame.equals(expected[name]), name
