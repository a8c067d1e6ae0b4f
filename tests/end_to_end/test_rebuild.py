"""`advertisex rebuild`: stores of another format, kills, what the log no longer has, and the old store."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.monitoring.state_store import load_evaluated, load_states
from advertisex.processing.runner import process_log
from advertisex.stores.contract import RejectQuery
from advertisex.stores.duckdb import replacement
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.format import FORMAT
from tests.budget import some, usually
from tests.end_to_end.conftest import Cli
from tests.end_to_end.test_kill import ADVERTISEX, TIMEOUT_SECONDS, advertisex, contents, wait_for_a_commit
from tests.stores import format_1

CLICKS = """timestamp,user_id,campaign_id,conversion,value,currency
2026-01-05 09:00:01,u1,c1,click,,
2026-01-05 09:00:02,u1,c1,purchase,10,EUR
2026-01-05 09:00:02,u1,c1,purchase,10,USD
,u2,c1,click,,
"""
KILLS = usually(3, thorough=8)
TOPIC = FEEDS["clicks"].topic
#: Commands that open the store, with the arguments that they need.
COMMANDS = [
    ["process"], ["ledger"], ["analyze", "summary"], ["analyze", "restatement", "--from", "2026-01-01"],
    ["rejects", "list"], ["rejects", "show", "t/0/0"], ["rejects", "export"],
    ["rejects", "replay", "--reason", "missing_field", "--yes"], ["rejects", "resolve", "--all", "--yes"],
    ["anomalies"], ["alerts", "list"], ["erasures"], ["erase", "u1", "--yes"], ["catalogue", "show"],
]  # fmt: skip
ALERT = {
    "key": ["volume", "clicks", None], "severity": "critical", "status": "firing", "since": "2026-11-01T00:00:00",
    "seen": "2026-11-01T01:00:00", "run": 0, "value": 1.0, "expected": None, "low": None, "high": None,
    "fired": "2026-11-01T00:15:00", "told": {"mail": "firing"}, "told_at": "2026-11-01T00:20:00",
}  # fmt: skip


@pytest.fixture
def ingested(cli: Cli, tmp_path: Path) -> Path:
    """A data folder with a log of four messages, and no store."""
    (tmp_path / "clicks.csv").write_text(CLICKS)
    assert cli("ingest", "clicks", "clicks.csv").code == 0
    return tmp_path / ".advertisex"


def identity_of(data: Path) -> str:
    with SqliteLog(data / "log.db") as log:
        return log.identities([TOPIC])[TOPIC]


def set_format(data: Path, number: int) -> None:
    with duckdb.connect(str(data / "store.duckdb")) as db:
        db.execute("UPDATE store SET format = ?", (number,))


@pytest.mark.parametrize(("number", "command"), some(product([1, FORMAT + 1], COMMANDS), 13))
def test_a_store_of_another_format_is_not_used(cli: Cli, ingested: Path, command: list[str], number: int) -> None:
    if number == 1:
        format_1.create(ingested / "store.duckdb")
    else:
        assert cli("process").code == 0
        set_format(ingested, number)

    ended = cli(*command)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        f"error: the store has format {number}, but this version of AdvertiseX uses format {FORMAT} "
        "(.advertisex/store.duckdb); run `advertisex rebuild` to make a new store from the log"
    ]


def test_doctor_names_the_rebuild(cli: Cli, ingested: Path) -> None:
    format_1.create(ingested / "store.duckdb")

    ended = cli("doctor")

    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if line.startswith("bad")]
    assert "the store has format 1" in line
    assert "advertisex rebuild" in line


def test_a_store_of_format_1_is_rebuilt_from_the_log(cli: Cli, ingested: Path) -> None:
    log = identity_of(ingested)
    format_1.create(
        ingested / "store.duckdb",
        ledger=[(TOPIC, 4, log)],
        notes={
            ("alerts", "volume/clicks/"): json.dumps(ALERT | {"last": ALERT}).encode(),
            ("alerts-judged", "until"): b'"2026-11-01T01:00:00"',
        },
        marks={(TOPIC, 3): f"{TOPIC}/0/17"},
    )

    ended = cli("rebuild")

    assert (ended.code, ended.err) == (0, "")
    assert f"The store was rebuilt from the log (format 1 to {FORMAT})." in ended.out
    counted = cli("ledger", "--json").document["total"]
    assert {name: count for name, count in counted.items() if count} == {"read": 4, "stored": 3, "rejected": 1}
    summary = cli("analyze", "summary", "--json").document
    assert (summary["counts"]["clicks"], summary["counts"]["conversions"]) == (1, 2)
    assert summary["value"] == {"EUR": 10, "USD": 10}
    with DuckdbStore(ingested / "store.duckdb", read_only=True) as store:
        assert store.rejects(RejectQuery())["replayed_to"].to_list() == [f"{TOPIC}/0/17"]
        (state,) = load_states(store).values()
        assert state.notified == {"mail": "firing"}
        assert state.notified_at is not None
        assert state.last is not None
        assert state.last.notified == {"mail": "firing"}
        assert load_evaluated(store) is not None


def test_the_old_store_is_kept_until_it_is_dropped(cli: Cli, ingested: Path) -> None:
    format_1.create(ingested / "store.duckdb", ledger=[(TOPIC, 4, identity_of(ingested))])
    before = (ingested / "store.duckdb").read_bytes()

    assert cli("rebuild", "--json").document["kept"] == ".advertisex/store.duckdb.old"

    assert (ingested / "store.duckdb.old").read_bytes() == before
    again = cli("rebuild")
    assert again.code == 1
    assert again.err == (
        "error: the old store of an earlier rebuild is still kept (.advertisex/store.duckdb.old); "
        "run `advertisex rebuild --drop-old` to delete it, then rebuild\n"
    )
    assert cli("rebuild", "--drop-old").out == "deleted .advertisex/store.duckdb.old\n"
    assert cli("rebuild", "--drop-old").out == "No old store is kept.\n"
    assert sorted(file.name for file in ingested.iterdir()) == ["log.db", "store.duckdb"]


def test_without_a_store_there_is_nothing_to_rebuild(cli: Cli, ingested: Path) -> None:
    ended = cli("rebuild")

    assert ended.code == 1
    assert ended.err.startswith("error: nothing has been stored yet (.advertisex/store.duckdb)")


def test_what_the_log_no_longer_has_needs_a_yes(cli: Cli, ingested: Path) -> None:
    format_1.create(ingested / "store.duckdb", ledger=[(TOPIC, 9, identity_of(ingested)), ("gone", 7, "x")])
    before = (ingested / "store.duckdb").read_bytes()

    ended = cli("rebuild")

    assert ended.code == 2
    assert "the log no longer holds 12 messages" in ended.err
    assert "--yes" in ended.err
    assert ended.err.splitlines()[:2] == [
        f"{TOPIC}/0: at least 5 of 9 messages are missing: the log ends at offset 4, before 9",
        "gone/0: at least 7 of 7 messages are missing: no feed reads this topic",
    ]
    assert (ingested / "store.duckdb").read_bytes() == before
    done = cli("rebuild", "--yes", "--json").document
    assert [(one["topic"], one["messages"]) for one in done["missing"]] == [(TOPIC, 5), ("gone", 7)]
    assert done["total"]["read"] == 4


def killed_once(command: list[str], data: Path, chance: random.Random) -> bool:
    """Start a rebuild and kill it; return whether it was killed before its end."""
    environment = os.environ | {"ADVERTISEX_BATCH_SIZE": "1000"}
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    wait_for_a_commit(worker, data / "store.duckdb.rebuild.wal")
    time.sleep(chance.uniform(0, 0.1))
    worker.kill()
    return worker.wait(timeout=TIMEOUT_SECONDS) == -signal.SIGKILL


def test_a_rebuild_killed_at_random_moments_ends_with_the_same_store(tmp_path: Path) -> None:
    where = ["--data", str(tmp_path), "--config", str(tmp_path / "advertisex.toml")]
    advertisex("simulate", "--events", "40000", "--seed", "5", "--data", tmp_path)
    advertisex("process", *where)
    before = contents(tmp_path)

    chance, kills = random.Random(20261129), 0
    while kills < KILLS and not (tmp_path / "store.duckdb.old").exists():
        kills += killed_once([ADVERTISEX, "rebuild", *where], tmp_path, chance)
        assert equal(contents(tmp_path), before)  # the old store, or the new one
    if not (tmp_path / "store.duckdb.old").exists():
        advertisex("rebuild", *where)

    assert kills > KILLS // 2
    assert equal(contents(tmp_path), before)


def equal(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    frames = all(found[name].equals(expected[name]) for name in (*FEEDS, "rejects"))
    return frames and (found["ledger"], found["reasons"]) == (expected["ledger"], expected["reasons"])


class Crash(BaseException):
    """Ends the process within the swap."""


@pytest.mark.parametrize("step", ["link", "replace"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_within_the_swap_leaves_a_store_in_place(
    cli: Cli, ingested: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    format_1.create(ingested / "store.duckdb", ledger=[(TOPIC, 4, identity_of(ingested))])
    holder: Any = os if step == "link" else replacement
    work: Callable[..., None] = getattr(holder, step)

    def crash(*arguments: Any) -> None:
        if when == "after":
            work(*arguments)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(holder, step, crash)
        assert "internal error" in cli("rebuild").err
    is_new = cli("ledger").code == 0
    if not is_new:
        assert cli("rebuild").code == 0

    assert is_new == (step == "replace" and when == "after")
    assert cli("ledger", "--json").document["total"]["read"] == 4
    assert cli("rebuild", "--drop-old").code == 0
    assert sorted(file.name for file in ingested.iterdir()) == ["log.db", "store.duckdb"]


def test_another_identity_needs_a_rebuild(cli: Cli, ingested: Path, tmp_path: Path) -> None:
    assert cli("process").code == 0
    (tmp_path / "other.toml").write_text('[feeds.clicks]\nidentity = ["user_id", "conversion_type"]\n')

    ended = cli("process", "--config", "other.toml")
    rebuilt = cli("rebuild", "--config", "other.toml")

    assert ended.code == 2
    assert ended.err.startswith("error: setting feeds.clicks.identity: the store's events are identified by user_id, ")
    assert "advertisex rebuild" in ended.err
    assert rebuilt.code == 0
    total = cli("process", "--config", "other.toml", "--json").document["total"]
    assert (total["stored"], total["duplicate"], total["conflict"]) == (2, 1, 1)


def test_an_unreadable_unfinished_store_is_begun_again(cli: Cli, ingested: Path) -> None:
    assert cli("process").code == 0
    (ingested / "store.duckdb.rebuild").write_bytes(b"cut off")

    assert cli("rebuild").code == 0
    assert cli("ledger", "--json").document["total"]["read"] == 4


def test_a_rebuild_begun_from_another_log_is_begun_again(cli: Cli, ingested: Path) -> None:
    assert cli("process").code == 0
    other = DuckdbStore(ingested / "store.duckdb.rebuild")
    with SqliteLog(ingested / "other.db") as log, other:
        log.append(TOPIC, [b"{"])
        process_log(log, other)

    assert cli("rebuild").code == 0
    assert cli("ledger", "--json").document["total"]["read"] == 4


def test_a_link_to_a_store_stays_a_link(cli: Cli, ingested: Path, tmp_path: Path) -> None:
    assert cli("process").code == 0
    (tmp_path / "disk").mkdir()
    (ingested / "store.duckdb").rename(tmp_path / "disk" / "real.duckdb")
    (ingested / "store.duckdb").symlink_to(tmp_path / "disk" / "real.duckdb")

    assert cli("rebuild", "--json").document["kept"] == str(tmp_path / "disk" / "real.duckdb.old")
    assert cli("erase", "u1", "--yes").code == 0
    assert cli("rebuild", "--drop-old").code == 0

    assert (ingested / "store.duckdb").is_symlink()
    assert [file.name for file in (tmp_path / "disk").iterdir()] == ["real.duckdb"]
    assert b"u1" not in (tmp_path / "disk" / "real.duckdb").read_bytes()
