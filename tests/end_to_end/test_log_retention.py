"""Retention of the embedded log from the command line: what is removed, and what every command says of it."""

import time
from pathlib import Path

import pytest

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Partition
from tests.end_to_end.conftest import Cli

TOPIC = FEEDS["impressions"].topic
HEADER = "timestamp,user_id,website,creative_id,user_agent\n"
PARTS = 3
ROWS = 10


def rows(part: int) -> str:
    """Rows of about 60 KB, one of them invalid."""
    good = [f"2026-01-05 0{part}:00:0{i},u{i},a.example.com,c1,{'x' * 60_000}\n" for i in range(ROWS - 1)]
    return HEADER + "".join(good) + f"yesterday,u1,a.example.com,c1,{part}\n"


@pytest.fixture
def pruned(cli: Cli, tmp_path: Path) -> Path:
    """A data folder with a log above 1 MB that was processed with a limit of 1 MB."""
    for part in range(PARTS):
        (tmp_path / f"{part}.csv").write_text(rows(part))
        assert cli("ingest", "impressions", f"{part}.csv").code == 0
    (tmp_path / "advertisex.toml").write_text("[log]\nkeep_size = 1_000_000\n")
    result = cli("process", "--json")
    assert result.code == 0, result.err
    return tmp_path / ".advertisex"


def start_of(data: Path) -> int:
    with SqliteLog(data / "log.db") as log:
        return log.start_offsets()[Partition(TOPIC, 0)]


def findings(cli: Cli, *arguments: str) -> dict[str, tuple[bool, str]]:
    found = cli("doctor", "--json", *arguments).document["findings"]
    return {one["what"]: (one["good"], one["detail"]) for one in found}


def test_process_removes_what_it_has_processed(cli: Cli, pruned: Path) -> None:
    start = start_of(pruned)
    assert start in {ROWS, 2 * ROWS}
    found = findings(cli)
    assert all(good for good, _ in found.values())
    kept = PARTS * ROWS - start
    assert f"{TOPIC} {kept} (from offset {start}, 20" in found["topics"][1]
    assert "MB in use" in found["log size"][1]
    assert found["log's retention"] == (True, "log.keep_size = 1,000,000")
    assert start_of(pruned) == start


def test_rejects_are_shown_and_replayed_after_their_message_was_removed(cli: Cli, pruned: Path) -> None:
    first = f"{TOPIC}/0/{ROWS - 1}"
    shown = cli("rejects", "show", first)
    assert shown.code == 0
    assert "yesterday" in shown.out
    assert "0.csv" not in shown.out  # its origin was removed with it

    result = cli("rejects", "replay", first, "--set", "timestamp=2026-01-05T12:00:00Z", "--yes")
    assert result.code == 0, result.err
    assert cli("process").code == 0
    assert f"{TOPIC}/0/{PARTS * ROWS}" in cli("rejects", "show", first).out


def test_another_store_reports_what_it_lost(cli: Cli, pruned: Path) -> None:
    start = start_of(pruned)
    result = cli("process", "--store", "duckdb:///other.duckdb")
    assert result.code == 0
    assert f"Lost: {start} messages of {TOPIC}/0" in result.out
    assert f"count={start}" in result.err or f'"count": {start}' in result.err
    good, text = findings(cli, "--store", "duckdb:///other.duckdb")["log and ledger"]
    assert good
    assert text.endswith(f"; lost: {start} messages of {TOPIC}/0")
    other = ("ledger", "--store", "duckdb:///other.duckdb")
    assert f"Lost: {start} messages of {TOPIC}/0" in cli(*other).out
    assert [row["lost"] for row in cli(*other, "--json").document["rows"]] == [start]
    assert "Lost" not in cli("ledger").out
    assert [row["lost"] for row in cli("ledger", "--json").document["rows"]] == [0]


def test_a_rebuild_reports_exactly_what_was_removed_and_can_go_on(cli: Cli, pruned: Path) -> None:
    start = start_of(pruned)
    result = cli("rebuild")
    assert result.code == 2
    assert f"at least {start} of 30 messages are missing: the log starts at offset {start}" in result.err
    assert "add --yes to rebuild without them" in result.err
    result = cli("rebuild", "--yes", "--json")
    assert result.code == 0
    assert [(one["messages"], one["read"]) for one in result.document["missing"]] == [(start, 30)]
    assert all(good for good, _ in findings(cli).values())


def test_an_erasure_after_a_removal_leaves_no_trace(cli: Cli, pruned: Path, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(HEADER + "2026-01-06 00:00:00,user4711,a.example.com,c1,x\n")
    cli("ingest", "impressions", "one.csv")
    cli("process")
    assert cli("erase", "user4711", "--yes").code == 0
    assert [file.name for file in pruned.iterdir() if b"user4711" in file.read_bytes()] == []


def test_unprocessed_messages_beyond_the_limit_are_a_finding(cli: Cli, pruned: Path) -> None:
    for part in range(PARTS):
        cli("ingest", "impressions", f"{part}.csv")
    good, text = findings(cli)["log's retention"]
    assert not good
    assert text == "log.keep_size = 1,000,000: exceeded by messages that are not processed"


def test_messages_that_another_process_removed_before_they_were_read_are_a_finding(cli: Cli, pruned: Path) -> None:
    cli("process", "--store", "duckdb:///other.duckdb")
    for part in range(PARTS):
        (Path(f"{part}.csv")).write_text(rows(part + PARTS))
        cli("ingest", "impressions", f"{part}.csv")
    cli("process")
    lost = start_of(pruned) - PARTS * ROWS
    assert lost > 0
    good, text = findings(cli, "--store", "duckdb:///other.duckdb")["log and ledger"]
    assert not good
    assert text == f"retention removed {lost} messages of {TOPIC}/0 before they were read"


@pytest.mark.parametrize("command", ["process", "run", "doctor"])
@pytest.mark.parametrize("name", ["keep_days", "keep_size"])
def test_a_log_in_kafka_has_retention_of_its_own(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    monkeypatch.setenv(f"ADVERTISEX_LOG__{name.upper()}", "5000000" if name == "keep_size" else "7")
    result = cli(command, "--log", "kafka://127.0.0.1:1")
    assert result.code == (1 if command == "doctor" else 2)
    assert f"log.{name}: it applies to an embedded log only" in result.out + result.err
    assert "of the topics in Kafka" in result.out + result.err


@pytest.mark.parametrize(("days", "grew"), [(2, "; it grew by 1.1 MB a day since "), (0.9, "")])
def test_doctor_says_how_fast_the_log_grows(cli: Cli, tmp_path: Path, days: float, grew: str) -> None:
    (tmp_path / ".advertisex").mkdir()
    appended_at = time.time_ns() // 1000 - int(days * 86_400_000_000)
    with SqliteLog(tmp_path / ".advertisex" / "log.db", clock=lambda: appended_at) as log:
        log.append(TOPIC, [bytes(1_000_000), bytes(1_000_000)])
    good, detail = findings(cli)["log size"]
    assert good
    assert detail.startswith("2.2 MB in use" + grew)
    assert ("grew" in detail) == bool(grew)
