"""The commands end to end: JSON output, exit codes, one-line errors, clean shutdown."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from advertisex.logs.sqlite.log import SqliteLog
from advertisex.stores.duckdb.store import DuckdbStore

Cli = Callable[..., Any]

ADVERTISEX = str(Path(sys.executable).with_name("advertisex"))
COUNTS = ["read", "stored", "duplicate", "filtered", "rejected", "erased", "conflict", "redelivered"]
COUNTS += ["removed", "removed_rejects", "lost"]
NOTHING_UNKNOWN: dict[str, Any] = {"has_catalogue": False, "creatives": [], "campaigns": [], "currencies": []}

CLICKS = """\
timestamp,user_id,campaign_id,conversion_type
2026-01-05T10:00:00Z,a,k1,click
2026-01-05T10:00:01Z,a,k1,click
2026-01-05T10:00:02Z,a,k1,signup
2026-01-05T10:00:03Z,b,k2,click
2026-01-05T10:00:03Z,b,k2,click
2026-01-05T10:00:04Z,-5,k2,click
yesterday,c,k2,click
"""
IMPRESSIONS = [
    b'{"user_id":"a","timestamp":"2026-01-05T09:59:59.5Z","website":"a.com","creative_id":"c1"}',
    b'{"user_id":"d","timestamp":"2026-01-05T10:00:00Z","website":"b.com","creative_id":"c1"}',
    b"\xff\xfe not json",
]


@pytest.fixture
def filled(cli: Cli, tmp_path: Path) -> Cli:
    """The command line, with all data above ingested and processed in the data folder `data`."""
    (tmp_path / "clicks.csv").write_text(CLICKS, encoding="utf-8")
    (tmp_path / "impressions.ndjson").write_bytes(b"\n".join(IMPRESSIONS))
    assert cli("ingest", "clicks", "clicks.csv", "--data", "data").code == 0
    assert cli("ingest", "impressions", "impressions.ndjson", "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0
    return cli


# -- JSON output ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ledger", "process"])
def test_json_of_the_ledger(filled: Cli, command: str) -> None:
    ended = filled(command, "--data", "data", "--json")
    only = {"expired": 0, "unknown": NOTHING_UNKNOWN} if command == "process" else {"kept_since": None}

    assert ended.code == 0
    assert ended.document == {
        **only,
        "rows": [
            {
                "topic": "ad_impressions", "partition": 0, "next_offset": 3,
                "read": 3, "stored": 2, "duplicate": 0, "filtered": 0, "rejected": 1, "erased": 0,
                "conflict": 0, "redelivered": 0, "removed": 0, "removed_rejects": 0, "lost": 0,
            },
            {
                "topic": "clicks_conversions", "partition": 0, "next_offset": 7,
                "read": 7, "stored": 4, "duplicate": 1, "filtered": 1, "rejected": 1, "erased": 0,
                "conflict": 0, "redelivered": 0, "removed": 0, "removed_rejects": 0, "lost": 0,
            },
        ],
        "total": {
            "read": 10, "stored": 6, "duplicate": 1, "filtered": 1, "rejected": 2, "erased": 0,
            "conflict": 0, "redelivered": 0, "removed": 0, "removed_rejects": 0, "lost": 0,
        },
        "balanced": True,
    }  # fmt: skip
    assert list(ended.document["rows"][0]) == ["topic", "partition", "next_offset", *COUNTS]


def test_json_of_rejects(filled: Cli) -> None:
    document = filled("rejects", "list", "--data", "data", "--json").document

    assert list(document) == ["counts", "total", "resolved", "resolutions", "rejects"]
    assert [list(count) for count in document["counts"]] == [["feed", "kind", "reason", "hour", "count"]] * 3
    assert document["total"] == 3
    binary, filtered, rejected = document["rejects"]
    names = ["id", "topic", "partition", "offset", "feed", "kind", "stage", "reason", "detail"]
    names += ["ingested_at", "processed_at", "replayed_to", "resolution", "payload"]
    assert list(rejected) == list(filtered) == names
    assert list(binary) == [*names, "encoding"]
    assert binary["encoding"] == "base64"
    assert b64decode(binary["payload"]) == IMPRESSIONS[2]
    assert (rejected["topic"], rejected["partition"], rejected["offset"]) == ("clicks_conversions", 0, 6)
    assert (rejected["feed"], rejected["kind"], rejected["stage"]) == ("clicks", "rejected", "validate")
    assert rejected["reason"] == "bad_timestamp"
    assert "timestamp" in rejected["detail"]
    assert "'yesterday'" in rejected["detail"]
    assert json.loads(rejected["payload"])["user_id"] == "c"
    assert (filtered["kind"], filtered["stage"], filtered["reason"]) == ("filtered", "filter", "negative_user_id")


@pytest.mark.parametrize(
    ("options", "offsets", "total"),
    [
        (["--reason", "bad_timestamp"], [6], 1),
        (["--feed", "impressions"], [2], 1),
        (["--feed", "clicks"], [5, 6], 2),
        (["--limit", "1"], [2], 3),
        (["--limit", "0"], [], 3),
        (["--feed", "clicks", "--reason", "undecodable"], [], 0),
    ],
)
def test_rejects_are_selected_by_reason_feed_and_limit(
    filled: Cli, options: list[str], offsets: list[int], total: int
) -> None:
    document = filled("rejects", "list", "--data", "data", "--json", *options).document

    assert [reject["offset"] for reject in document["rejects"]] == offsets
    assert document["total"] == total


def test_a_long_detail_is_shortened_in_the_table_and_whole_in_json(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "long.ndjson").write_bytes(
        b'{"user_id":"a","website":"a.com","creative_id":"c","timestamp":"%s"}' % (b"9" * 500)
    )
    assert cli("ingest", "impressions", "long.ndjson", "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0
    (reject,) = cli("rejects", "list", "--data", "data", "--json").document["rejects"]
    *_, line = cli("rejects", "list", "--data", "data").out.splitlines()

    assert len(reject["detail"]) > 150
    shown = line.split("bad_timestamp")[1].strip()
    beginning, end = shown.split(" … ")
    assert reject["detail"].startswith(beginning)
    assert reject["detail"].endswith(end)


def test_json_of_the_correlation(filled: Cli) -> None:
    document = filled("analyze", "correlation", "--data", "data", "--json").document

    spread = {"sum", "mean", "median", "std_deviation", "std_deviation_sampling"}
    assert document["users"] == 2
    assert set(document["clicks"]) == set(document["conversions"]) == spread
    assert (document["clicks"]["sum"], document["conversions"]["sum"]) == (3, 1)
    assert document["clicks_per_conversion"] == 3.0
    assert document["pearson"] == {"r": 1.0, "p": None, "n": 2}
    assert document["spearman"] == {"rho": 1.0, "p": None, "n": 2}


def test_json_of_the_summary(filled: Cli) -> None:
    document = filled("analyze", "summary", "--data", "data", "--json").document

    assert document["counts"] == {"impressions": 2, "clicks": 3, "conversions": 1, "bids": 0}
    assert document["users"] == 3
    assert document["first_event"] == "2026-01-05T09:59:59.500000Z"
    assert document["last_event"] == "2026-01-05T10:00:03Z"


def test_since_until_and_campaign(filled: Cli) -> None:
    scope = ("--since", "2026-01-05T10:00:00Z", "--until", "2026-01-05 11:00:02+01:00", "--campaign", "k1")

    document = filled("analyze", "summary", "--data", "data", "--json", *scope).document

    assert document["counts"] == {"impressions": 0, "clicks": 2, "conversions": 0, "bids": 0}
    assert document["range"].pop("as_of").startswith("20"), "the time of the last commit"
    assert document["range"] == {
        "since": "2026-01-05T10:00:00Z",
        "until": "2026-01-05T10:00:02Z",
        "campaign": "k1",
        "where": {},
        "zone": "UTC",
    }
    assert filled("analyze", "correlation", "--data", "data", "--since", "2026-01-05").code == 0


@pytest.mark.parametrize(
    "command", [["ledger"], ["rejects", "list"], ["analyze", "summary"], ["analyze", "correlation"], ["process"]]
)
def test_tables_are_the_default_output(filled: Cli, command: list[str]) -> None:
    ended = filled(*command, "--data", "data")

    assert ended.code == 0
    assert ended.err == ""
    assert len(ended.out.splitlines()) > 3


# -- errors: one line with what, where and a hint; never a traceback -----------------------------------------------


def assert_one_line(ended: Any, code: int, *parts: str) -> None:
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err + ended.out
    assert "internal error" not in ended.err
    assert ended.out == ""
    lines = [line for line in ended.err.splitlines() if line]
    assert len(lines) == 1, ended.err
    assert [part for part in parts if part not in lines[0]] == [], lines[0]


QUESTIONS = [["ledger"], ["rejects", "list"], ["analyze", "summary"], ["analyze", "correlation"]]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_missing_store(cli: Cli, question: list[str], as_json: bool) -> None:
    ended = cli(*question, "--data", "nowhere", *(["--json"] if as_json else []))

    assert_one_line(ended, 1, "nothing has been stored yet", "nowhere", "advertisex process")
    assert not Path("nowhere").exists()


@pytest.fixture
def empty_log(cli: Cli, tmp_path: Path) -> None:
    """A data folder `data` with an empty log."""
    SqliteLog(tmp_path / "data" / "log.db").close()


def test_a_missing_log_is_not_created_by_process(cli: Cli, tmp_path: Path) -> None:
    assert_one_line(cli("process", "--data", "nowhere"), 1, "event log not found", "nowhere", "advertisex ingest")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.usefixtures("empty_log")
@pytest.mark.parametrize("question", QUESTIONS[2:])
def test_an_empty_store(cli: Cli, question: list[str]) -> None:
    assert cli("process", "--data", "data").code == 0

    assert_one_line(cli(*question, "--data", "data"), 1, " found; widen the range, or ", "process ")


@pytest.mark.usefixtures("empty_log")
def test_an_empty_store_has_an_empty_ledger_that_balances(cli: Cli) -> None:
    assert cli("process", "--data", "data").code == 0

    total = dict.fromkeys(COUNTS, 0)
    assert cli("ledger", "--data", "data", "--json").document == {
        "rows": [], "total": total, "balanced": True, "kept_since": None,
    }  # fmt: skip
    assert cli("rejects", "list", "--data", "data", "--json").document == {
        "counts": [], "total": 0, "resolved": 0, "resolutions": [], "rejects": [],
    }  # fmt: skip


@pytest.mark.usefixtures("empty_log")
@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["ingest", "clickz", "clicks.csv"], 2, ["clickz", "impressions, clicks, bids"]),
        (["ingest", "clicks", "clicks.csv", "--map", "user_id"], 2, ["--map", "'user_id'", "="]),
        (["ingest", "clicks", "clicks.csv", "--map", "a=usr_id"], 2, ["usr_id", "did you mean 'user_id'"]),
        (["ingest", "clicks", "clicks.csv", "--set", "nothing"], 2, ["--set", "="]),
        (["ingest", "clicks", "clicks.csv", "--every", "soon"], 2, ["--every", "'soon'"]),
        (["ingest", "clicks", "clicks.csv", "--time-format", "%Q"], 2, ["%Q"]),
        (["ingest", "clicks", "clicks.csv", "--log", "redis://localhost"], 2, ["redis", "kafka://"]),
        (["process", "--log", "kafka://"], 2, ["kafka://"]),
        (["process", "--store", "mongodb://localhost"], 2, ["mongodb", "elasticsearch://"]),
        (["process", "--catalogue", "absent.csv"], 2, ["absent.csv"]),
        (["process", "--workers", "2"], 2, ["--workers", "--log kafka://"]),
        (["process", "--batch-size", "0"], 2, ["batch_size"]),
        (["process", "--config", "absent.toml"], 2, ["absent.toml"]),
        (["process", "--config", "corrupt.toml"], 2, ["corrupt.toml", "corrupt.toml:2"]),
        (["process", "--config", "unknown.toml"], 2, ["unknown.toml", "batch_sise"]),
        (["process", "--config", "wrong.toml"], 2, ["wrong.toml", "times.zone", "Atlantis"]),
        (["process", "--config", "topics.toml"], 2, ["two feeds share a topic"]),
        (["process", "--config", "sites.toml"], 2, ["policy.blocked_sites", "'http://'"]),
        (["analyze", "summary", "--since", "2026-02-01", "--until", "2026-01-01"], 2, ["the range is empty"]),
        (["rejects", "list", "--feed", "clickz"], 2, ["clickz", "impressions, clicks, bids"]),
        (["rejects", "list", "--kind", "bad"], 2, ["'bad'", "rejected, filtered"]),
        (["rejects", "list", "--since", "2026-02-01", "--until", "2026-01-01"], 2, ["the range is empty"]),
        (["rejects", "show", "17"], 2, ["'17'", "topic/partition/offset"]),
        (["rejects", "export", "--format", "xml"], 2, ["'xml'", "ndjson, csv"]),
        (["rejects", "replay"], 2, ["no rejects selected", "--all"]),
        (["rejects", "replay", "--all", "--feed", "bids"], 2, ["--all"]),
        (["rejects", "replay", "a/0/1", "--feed", "bids"], 2, ["IDs and filter options"]),
        (["rejects", "replay", "--all", "--set", "nothing"], 2, ["--set", "="]),
        (["analyze", "summary", "--since", "nonsense"], 2, ["--since", "'nonsense'"]),
        (["analyze", "correlation", "--until", "2026-13-01"], 2, ["--until", "'2026-13-01'"]),
        (["process", "--log", "sqlite:///clicks.csv"], 1, ["clicks.csv", "not a SQLite database"]),
        (["ledger", "--store", "duckdb:///clicks.csv"], 1, ["clicks.csv"]),
        (["simulate", "--rate", "fast"], 2, ["--rate", "'fast'"]),
    ],
)
def test_a_usage_error_is_reported_in_one_line(
    cli: Cli, tmp_path: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    (tmp_path / "clicks.csv").write_text(CLICKS * 30, encoding="utf-8")
    (tmp_path / "corrupt.toml").write_text("batch_size = 5\n[times\n", encoding="utf-8")
    (tmp_path / "unknown.toml").write_text("batch_sise = 5\n", encoding="utf-8")
    (tmp_path / "wrong.toml").write_text("[times]\nzone = 'Atlantis'\n", encoding="utf-8")
    (tmp_path / "sites.toml").write_text("[policy]\nblocked_sites = ['http://']\n", encoding="utf-8")
    (tmp_path / "topics.toml").write_text("[feeds.clicks]\ntopic = 'ad_impressions'\n", encoding="utf-8")

    assert_one_line(cli(*arguments, "--data", "data"), code, *parts)


def test_a_missing_source_is_reported_and_the_others_are_appended(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(CLICKS, encoding="utf-8")

    ended = cli("ingest", "clicks", "absent.csv", "clicks.csv", "--data", "data", "--json")

    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "absent.csv" in ended.err
    assert ended.document["messages"] == 7
    assert len(ended.document["failures"]) == 1


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["ledger", "--no-such-option"], ["analyze", "everything"], ["ingest", "clicks"]]
)
def test_usage_errors_exit_with_2(cli: Cli, arguments: list[str]) -> None:
    ended = cli(*arguments)

    assert ended.code == 2
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", [["process"], ["ledger"], ["analyze", "summary"]])
def test_a_store_in_use_is_reported_with_its_process(filled: Cli, tmp_path: Path, command: list[str]) -> None:
    program = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "data/store.duckdb"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        ended = filled(*command, "--data", "data")
        holder.communicate()

    assert_one_line(ended, 1, f"in use by process {holder.pid}", "store.duckdb")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [ADVERTISEX, "ledger", "--data", str(tmp_path / "nowhere"), "--debug"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode != 0
    assert "Traceback" in ended.stderr


# -- process, interrupted ----------------------------------------------------------------------------------------------


@contextmanager
def processing(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [ADVERTISEX, "process", *options, "--data", "data", "--batch-size", "1000", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def wait_until(condition: Callable[[], bool], worker: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert worker.poll() is None, worker.communicate()
        assert time.monotonic() < deadline, "the condition was not met in a minute"
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "idle"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_following_ends_cleanly_when_interrupted(cli: Cli, tmp_path: Path, number: signal.Signals, idle: bool) -> None:
    events = 3_000 if idle else 60_000
    assert cli("simulate", "--events", events, "--data", "data").code == 0
    wal = tmp_path / "data" / "store.duckdb.wal"
    with processing(tmp_path, "--follow") as worker:
        # creating a store writes far less than this; three batches (one per feed) write more
        wait_until(lambda: size_of(wal) > 200_000, worker)
        worker.send_signal(number)
        out, err = worker.communicate(timeout=60)

    assert worker.returncode == 0
    lines = [json.loads(line) for line in err.splitlines()]
    ledger = json.loads(out)
    assert {line["event"] for line in lines} == {"catalogue imported", "batch stored"}
    assert sum(line.get("read", 0) for line in lines) == ledger["total"]["read"]
    assert ledger["balanced"] is True
    assert 0 < ledger["total"]["read"] <= events
    with DuckdbStore(tmp_path / "data" / "store.duckdb", read_only=True) as store:
        assert {row.topic: row.next_offset for row in store.ledger()} == {
            row["topic"]: row["next_offset"] for row in ledger["rows"]
        }
    resumed = cli("process", "--data", "data", "--json").document
    assert (resumed["total"]["read"], resumed["balanced"]) == (events, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_exits_with_130_and_the_next_one_resumes(
    cli: Cli, tmp_path: Path, number: signal.Signals
) -> None:
    events = 80_000
    assert cli("simulate", "--events", events, "--data", "data").code == 0
    with processing(tmp_path) as worker:
        wait_until(lambda: size_of(tmp_path / "data" / "store.duckdb.wal") > 200_000, worker)
        worker.send_signal(number)
        out, _ = worker.communicate(timeout=60)

    assert worker.returncode == 130
    ledger = json.loads(out)
    assert ledger["balanced"] is True
    assert 0 < ledger["total"]["read"] < events
    resumed = cli("process", "--data", "data", "--json")
    assert (resumed.code, resumed.document["total"]["read"], resumed.document["balanced"]) == (0, events, True)


def test_processing_does_not_change_the_log(filled: Cli, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "data" / "log.db") as plain:
        before = plain.execute("SELECT topic, first_offset, next_offset FROM batch").fetchall()
    filled("process", "--data", "data")
    with sqlite3.connect(tmp_path / "data" / "log.db") as plain:
        assert plain.execute("SELECT topic, first_offset, next_offset FROM batch").fetchall() == before
    plain.close()


#: Sends a signal to itself while Python shuts down, when it has reset the handlers.
LATE_SIGNAL = """
import os, signal, sys
from advertisex.cli.main import run

class Late:
    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.{name}):
        kill(process, number)

late = Late()
sys.argv = ["advertisex", "{option}"]
run()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("option", "code"), [("--version", 0), ("--unknown", 2)])
def test_a_signal_after_the_command_has_ended_does_not_change_its_exit_code(name: str, option: str, code: int) -> None:
    program = LATE_SIGNAL.format(name=name, option=option)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
