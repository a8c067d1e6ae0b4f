"""A damaged or emptied log, and a damaged store: every command says so in one line, with what can be done."""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advertisex.cli import options
from advertisex.logs.sqlite.log import SqliteLog

Cli = Callable[..., Any]

FOLDER = Path(".advertisex")
LOG, STORE = FOLDER / "log.db", FOLDER / "store.duckdb"
#: Appends of the impressions, and the messages of each.
PARTS, EACH = 4, 5
TOPIC = "ad_impressions"


def impressions(part: int) -> str:
    rows = (
        {
            "timestamp": f"2026-01-05T0{part}:00:0{n}Z",
            "user_id": f"user-{part}-{n}",
            "website": "a.example",
            "creative_id": "c",
        }
        for n in range(EACH)
    )
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def ingested(cli: Cli) -> Cli:
    """A log with impressions in appends of `EACH` messages, and a click; nothing is processed."""
    for part in range(PARTS):
        Path(f"{part}.ndjson").write_text(impressions(part) + ("{\n" if part == 0 else ""))
        assert cli("ingest", "impressions", f"{part}.ndjson").code == 0
    Path("clicks.csv").write_text("timestamp,user_id,campaign_id,conversion_type\n2026-01-05 00:00:00,u,k,click\n")
    assert cli("ingest", "clicks", "clicks.csv").code == 0
    return cli


def damage(*users: str) -> None:
    """Flip a bit in the message of each user."""
    db = sqlite3.connect(LOG)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    content = bytearray(LOG.read_bytes())
    for user in users:
        content[content.index(user.encode()) + 1] ^= 1
    LOG.write_bytes(content)


def findings(cli: Cli, *options: str) -> dict[str, tuple[bool, str]]:
    document = cli("doctor", *options, "--json").document
    return {one["what"]: (one["good"], one["detail"]) for one in document["findings"]}


def one_line(result: Any) -> str:
    assert result.code == 1
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    (line,) = [line for line in result.err.splitlines() if line.startswith("error")]
    return str(line)


def test_a_damaged_batch_stops_processing_until_it_is_skipped(ingested: Cli) -> None:
    damage("user-2-3")
    where = f"{TOPIC}/0/11 to 15"
    for _ in range(2):
        line = one_line(ingested("process"))
        assert "messages of the log are damaged: they were altered" in line
        assert where in line
        assert "restore the log from a backup" in line
        assert "`advertisex process --skip-damaged`" in line
    good, detail = findings(ingested)["log and ledger"]
    assert not good
    assert where in detail

    result = ingested("process", "--skip-damaged")
    assert result.code == 0
    assert f"Lost: {EACH} messages of {TOPIC}/0" in result.out
    row = ingested("ledger", "--json").document["rows"][0]
    assert (row["next_offset"], row["read"], row["stored"], row["rejected"], row["lost"]) == (21, 16, 15, 1, 5)
    assert ingested("process").code == 0
    assert ingested("ledger", "--json").document["rows"][0] == row
    assert "damaged and skipped" in result.err
    good, detail = findings(ingested)["log and ledger"]
    assert good
    assert f"lost: 5 messages of {TOPIC}/0" in detail
    assert ingested("analyze", "quality", "--csv", "--table", "ledger").out.splitlines()[-1].split(",")[:9] == [
        "impressions", "16", "15", "0", "0", "1", "0", "0", "5",
    ]  # fmt: skip


def test_a_deep_check_finds_damage_that_was_processed_before(ingested: Cli) -> None:
    assert ingested("process").code == 0
    assert ingested("doctor", "--deep").code == 0
    found = findings(ingested, "--deep")
    assert found["log messages"] == (True, "5 batches are as they were appended")
    assert found["store's events"] == (True, "all of them can be read, and each has the id of its content")
    damage("user-1-0", "user-3-4")

    assert all(good for good, _ in findings(ingested).values())
    assert ingested("doctor", "--deep").code == 1
    found = findings(ingested, "--deep")
    assert [name for name, (good, _) in found.items() if not good] == ["log messages"]
    assert found["log messages"][1].startswith(f"10 are damaged: {TOPIC}/0/6 to 10 first")
    assert ingested("process").code == 0


def test_a_rebuild_stops_at_damage_or_skips_it(ingested: Cli) -> None:
    assert ingested("process").code == 0
    damage("user-1-2")
    line = one_line(ingested("rebuild"))
    assert f"{TOPIC}/0/6 to 10" in line
    assert "`advertisex rebuild --skip-damaged`" in line
    assert [row["lost"] for row in ingested("ledger", "--json").document["rows"]] == [0, 0]
    result = ingested("rebuild", "--skip-damaged")
    assert result.code == 0, result.err
    assert [row["lost"] for row in ingested("ledger", "--json").document["rows"]] == [5, 0]


def test_an_erasure_erases_what_it_can_and_names_what_it_cannot_read(ingested: Cli) -> None:
    assert ingested("process").code == 0
    shutil.copy(LOG, "backup.db")
    damage("user-1-2")
    line = one_line(ingested("erase", "user-3-1", "--yes"))
    assert "the erasure is not complete" in line
    assert f"{TOPIC}/0/6 to 10" in line
    assert b"user-3-1" not in b"".join(file.read_bytes() for file in FOLDER.iterdir())
    assert [one["done_at"] for one in ingested("erasures", "--json").document["erasures"]] == [None]

    LOG.write_bytes(Path("backup.db").read_bytes())
    assert ingested("erase", "user-3-1", "--yes").code == 0
    assert b"user-3-1" not in b"".join(file.read_bytes() for file in FOLDER.iterdir())


def test_other_commands_work_beside_damage(ingested: Cli) -> None:
    damage("user-0-2")
    Path("more.ndjson").write_text(impressions(5))
    for command in (
        ("ingest", "impressions", "more.ndjson"),
        ("preview", "impressions", "more.ndjson"),
        ("sources",),
        ("process", "--skip-damaged"),
        ("rejects", "list"),
        ("ledger",),
        ("doctor",),
    ):
        assert ingested(*command).code == 0, command
    assert ingested("ledger", "--json").document["rows"][0]["lost"] == EACH + 1


@pytest.mark.parametrize("command", ["process", "run"])
@pytest.mark.parametrize("emptied", ["missing", "empty", "one topic", "older"])
def test_a_log_that_does_not_reach_the_ledger_is_an_error(ingested: Cli, command: str, emptied: str) -> None:
    assert ingested("process").code == 0
    for file in FOLDER.glob("log.db*"):
        file.unlink()
    if emptied == "one topic":
        assert ingested("ingest", "clicks", "clicks.csv").code == 0
    elif emptied == "empty":
        sqlite3.connect(LOG).close()
        LOG.touch()
    elif emptied == "older":
        assert ingested("ingest", "impressions", "0.ndjson").code == 0
    line = one_line(ingested(command))
    if (emptied, command) == ("missing", "process"):
        assert "the event log is gone: the store has read 22 messages of it" in line
        assert "check --data and --log, or restore it from a backup; without a backup, move away what is left" in line
    elif emptied in {"missing", "empty"}:
        assert f"the ledger is at offset 21, but the log ends at 0: it was emptied or replaced ({TOPIC}/0)" in line
        assert "restore the log, or run `advertisex rebuild`" in line
    else:
        assert "the ledger belongs to another log" in line
        assert "restore the old log, or run `advertisex rebuild`" in line


def test_nothing_is_ingested_into_a_log_that_was_emptied(ingested: Cli) -> None:
    assert ingested("process").code == 0
    for file in FOLDER.glob("log.db*"):
        file.unlink()
    Path("advertisex.toml").write_text('[[sources]]\nfeed = "impressions"\nsource = "0.ndjson"\n')
    assert "it was emptied or replaced" in one_line(ingested("run"))
    with SqliteLog(LOG) as log:
        assert log.end_offsets() == {}


def test_a_store_with_flipped_bytes_is_an_error_of_one_line(ingested: Cli) -> None:
    assert ingested("process").code == 0
    content, chance, found = STORE.read_bytes(), random.Random(1), 0
    places = [place for place in range(3 * 4096, len(content)) if content[place]]
    for _ in range(6):
        altered = bytearray(content)
        altered[chance.choice(places)] ^= 1
        STORE.write_bytes(altered)
        for command in (("doctor", "--deep"), ("analyze", "summary"), ("process",)):
            result = ingested(*command)
            found += result.code
            assert result.code in {0, 1}, command
            assert "Traceback" not in result.err
            assert "internal error" not in result.err
    assert found


def test_a_copy_of_the_log_that_is_too_old_is_an_error(cli: Cli) -> None:
    for part in range(2):
        Path(f"{part}.ndjson").write_text(impressions(part))
    assert cli("ingest", "impressions", "0.ndjson").code == 0
    db = sqlite3.connect(LOG)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    shutil.copy(LOG, "backup.db")
    assert cli("ingest", "impressions", "1.ndjson").code == 0
    assert cli("process").code == 0
    for file in FOLDER.glob("log.db*"):
        file.unlink()
    shutil.copy("backup.db", LOG)
    for command in (("process",), ("rejects", "replay", "--all", "--yes"), ("erase", "user-1-3", "--yes")):
        line = one_line(cli(*command))
        assert "the ledger is at offset 10, but the log ends at 5: it was emptied or replaced" in line
    assert [one["done_at"] for one in cli("erasures", "--json").document["erasures"]] == [None]


@pytest.fixture(params=[0, 4_096])
def cut(request: pytest.FixtureRequest, ingested: Cli) -> Callable[[], None]:
    """Cuts the file of the store, with what DuckDB leaves beside it."""

    def cut_store() -> None:
        STORE.write_bytes(STORE.read_bytes()[: request.param])
        STORE.with_name("store.duckdb.wal").unlink(missing_ok=True)

    return cut_store


def test_a_store_that_was_cut_is_an_error_until_it_is_rebuilt(ingested: Cli, cut: Callable[[], None]) -> None:
    """Also without a message of the erased user in the log, and beside a log that is not the default."""
    Path("c.csv").write_text("creative_id,campaign_id,advertiser_id\nc,k,a\n")
    assert ingested("process").code == 0
    assert ingested("erase", "future-user", "--yes").code == 0
    shutil.copy(LOG, "other.db")
    cut()
    content = STORE.read_bytes()
    for command in (
        ("process",),
        ("process", "--log", "sqlite:///other.db"),
        ("run",),
        ("catalogue", "import", "c.csv"),
        ("erase", "user-1-2", "--yes"),
        ("analyze", "summary"),
    ):
        line = one_line(ingested(*command))
        assert "the file holds nothing: it was cut, or an earlier version never finished it" in line
        assert "`advertisex rebuild --yes --without-erasures`" in line
        assert STORE.read_bytes() == content
    good, detail = findings(ingested)["store"]
    assert (good, "the file holds nothing" in detail) == (False, True)
    assert ingested("rebuild", "--yes").code == 1
    assert ingested("rebuild", "--yes", "--without-erasures").code == 0
    assert ingested("ledger", "--json").document["balanced"]


@pytest.mark.parametrize("command", ["process", "run"])
@pytest.mark.parametrize("size", [0, 4_096, 16_384])
def test_a_log_that_was_cut_is_an_error(ingested: Cli, command: str, size: int) -> None:
    assert ingested("process").code == 0
    db = sqlite3.connect(LOG)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    LOG.write_bytes(LOG.read_bytes()[:size])
    line = one_line(ingested(command))
    assert "it was emptied or replaced" in line if not size else "the file is damaged" in line
    assert [what for what, (good, _) in findings(ingested).items() if not good] == ["log" if size else "log and ledger"]


@pytest.fixture
def older(ingested: Cli) -> Cli:
    """A log that was processed, restored from an older copy, and appended to before the next `process`."""
    db = sqlite3.connect(LOG)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    shutil.copy(LOG, "backup.db")
    for name, content in (("later", impressions(5)), ("other", impressions(6) + impressions(7))):
        Path(f"{name}.ndjson").write_text(content)
    assert ingested("ingest", "impressions", "later.ndjson").code == 0
    assert ingested("process").code == 0
    for file in FOLDER.glob("log.db*"):
        file.unlink()
    shutil.copy("backup.db", LOG)
    assert ingested("ingest", "impressions", "other.ndjson").code == 0
    return ingested


def test_an_older_copy_of_the_log_that_was_appended_to_is_an_error(older: Cli) -> None:
    before = older("ledger", "--json").document
    for command in (("process",), ("run",), ("rejects", "replay", "--reason", "undecodable", "--yes")):
        line = one_line(older(*command))
        assert "an older copy of it was restored and then appended to" in line
        assert f"({TOPIC}/0, up to offset 25)" in line
        assert "restore the log that was processed, or run `advertisex rebuild`" in line
    good, detail = findings(older)["log and ledger"]
    assert (good, f"{TOPIC}/0, up to offset 25" in detail) == (False, True)
    assert older("ledger", "--json").document == before


def test_a_rebuild_from_an_older_copy_of_the_log_says_that_messages_are_missing(older: Cli) -> None:
    assert "an older copy of the log was restored" in older("rebuild").err
    assert older("rebuild", "--yes").code == 0
    assert older("process").code == 0
    assert older("ledger", "--json").document["rows"][0]["read"] == 31


def test_a_deep_check_is_good_again_after_damage_was_skipped(ingested: Cli) -> None:
    damage("user-2-3")
    assert ingested("process", "--skip-damaged").code == 0
    result = ingested("doctor", "--deep")
    assert result.code == 0, result.out
    text = "5 messages are damaged and were skipped: the ledger counts them as lost"
    assert text in findings(ingested, "--deep")["log messages"][1]
    damage("user-3-3")
    good, detail = findings(ingested, "--deep")["log messages"]
    assert (good, f"5 are damaged: {TOPIC}/0/16 to 20 first" in detail, text in detail) == (False, True, True)


def test_a_deep_check_opens_the_store_once(ingested: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ingested("process").code == 0
    opened, original = list[Any](), options.opened_store

    def opened_store(*arguments: Any, **options: Any) -> Any:
        opened.append(original(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(options, "opened_store", opened_store)
    assert ingested("doctor", "--deep").code == 0
    assert len(opened) == 1


@pytest.mark.parametrize("how", ["gone", "truncated"])
def test_the_way_out_of_a_lost_log_leads_out(ingested: Cli, how: str) -> None:
    assert ingested("process").code == 0
    assert ingested("erase", "user-1-1", "--yes").code == 0
    content = LOG.read_bytes()[:40_000]
    for file in FOLDER.glob("log.db*"):
        file.unlink()
    if how == "truncated":
        LOG.write_bytes(content)
        assert "ingest again and run `advertisex rebuild --yes`" in one_line(ingested("process"))
        LOG.rename("damaged.db")
    for command in ("process", "rebuild"):
        assert (
            "without a backup, move away what is left of it, ingest again and run `advertisex rebuild --yes`"
            in one_line(ingested(command))
        )
    assert "the event log is gone" in findings(ingested)["log"][1]
    assert ingested("ingest", "impressions", "1.ndjson").code == 0
    assert ingested("rebuild", "--yes").code == 0
    assert ingested("process").code == 0
    rows = ingested("ledger", "--json").document["rows"]
    assert [(row["read"], row["stored"], row["erased"]) for row in rows] == [(5, 4, 1)]


def test_a_rejected_rebuild_leaves_nothing_and_its_hints_lead_to_a_new_store(ingested: Cli) -> None:
    assert ingested("process").code == 0
    STORE.write_bytes(STORE.read_bytes()[: STORE.stat().st_size // 2])
    before = {file.name for file in FOLDER.iterdir()}
    assert "run `advertisex rebuild --yes`" in one_line(ingested("process"))
    assert "run `advertisex rebuild --yes --without-erasures`" in one_line(ingested("rebuild", "--yes"))
    assert {file.name for file in FOLDER.iterdir()} == before
    assert ingested("rebuild", "--yes", "--without-erasures").code == 0
    assert ingested("doctor").code == 0


def test_kafka_checks_its_own_messages(cli: Cli) -> None:
    result = cli("process", "--skip-damaged", "--log", "kafka://localhost:9")
    assert result.code == 2
    assert "--skip-damaged applies to an embedded log only" in result.err
