"""`advertisex doctor`: one line per check, with a hint for each problem."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from advertisex.stores.duckdb.store import DuckdbStore
from tests.catalogues import catalogue_rows

Cli = Callable[..., Any]


def test_a_healthy_folder_passes_every_check(cli: Cli) -> None:
    assert cli("simulate", "--events", 1000, "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0
    result = cli("doctor", "--data", "data", "--json")
    assert result.code == 0
    found = {finding["what"]: finding for finding in result.document["findings"]}
    assert list(found) == [
        "versions", "clock", "settings", "disk", "log", "topics", "log size", "sources", "store", "store's counts",
        "commit times", "catalogue", "identities", "ledger", "store's retention", "log and ledger", "log's retention",
    ]  # fmt: skip
    assert [name for name, finding in found.items() if not finding["good"]] == []
    assert result.document["good"] is True


def test_the_catalogue_of_the_store_is_reported(cli: Cli, tmp_path: Path) -> None:
    def line() -> str:
        (found,) = [line for line in cli("doctor").out.splitlines() if line.split()[1] == "catalogue"]
        return str(found)

    (tmp_path / "clicks.csv").write_text("timestamp,user_id,campaign_id,conversion_type\n2026-01-05,u,k,click\n")
    cli("ingest", "clicks", "clicks.csv")
    cli("process")
    assert "none has been imported" in line()
    assert "`advertisex catalogue import FILE`" in line()
    for name, rows in (("one", "c1,k1\n"), ("two", "c1,k1\nc2,k1\nc3,k2\n")):
        (tmp_path / f"{name}.csv").write_text("creative_id,campaign_id\n" + rows)
        cli("catalogue", "import", f"{name}.csv")

    assert line().startswith("ok  catalogue")
    assert "3 creatives of 2 campaigns, imported 20" in line()
    assert line().endswith("imports: 2")


def test_a_problem_is_reported_with_a_hint(cli: Cli) -> None:
    result = cli("doctor", "--data", "nothing-here")
    assert result.code == 1
    (bad,) = [line for line in result.out.splitlines() if line.startswith("bad")]
    assert "event log not found" in bad
    assert "run `advertisex ingest`" in bad


def test_a_commit_in_the_future_is_reported(cli: Cli) -> None:
    ahead = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=30)
    with DuckdbStore(Path(".advertisex/store.duckdb"), clock=lambda: ahead) as store:
        store.import_catalogue(catalogue_rows({"creative_id": ["c"], "campaign_id": ["k"], "advertiser_id": ["a"]}))
    (line,) = [line for line in cli("doctor").out.splitlines() if "commit times" in line]
    assert line.startswith("bad")
    text = f"the last commit is at {ahead:%Y-%m-%d %H:%M:%S} UTC, in the future"
    assert text in line

    assert cli("analyze", "summary").err.count(text) == 1
    Path("a.csv").write_text("timestamp,user_id,campaign_id,conversion_type\n2026-01-05 00:00:00,u,k,click\n")
    assert cli("ingest", "clicks", "a.csv").code == 0
    for _ in range(2):
        result = cli("process")
        assert (result.code, result.err.count(text)) == (0, 1)
        (line,) = [line for line in cli("doctor").out.splitlines() if "commit times" in line]
        assert line.startswith("ok")
        assert text in line

    later = ahead + timedelta(hours=1)  # the clock is still fast
    with DuckdbStore(Path(".advertisex/store.duckdb"), clock=lambda: later) as store:
        store.import_catalogue(catalogue_rows({"creative_id": ["d"], "campaign_id": ["k"], "advertiser_id": ["a"]}))
    (line,) = [line for line in cli("doctor").out.splitlines() if "commit times" in line]
    assert line.startswith("bad")


def test_an_invalid_setting_ends_the_checks(cli: Cli) -> None:
    result = cli("doctor", "--config", "absent.toml")
    assert result.code == 1
    assert "bad settings" in result.out
    assert "absent.toml" in result.out


def bad(cli: Cli) -> dict[str, str]:
    """Return the problems that doctor finds in the folder `data`: description and hint by name."""
    result = cli("doctor", "--data", "data", "--json")
    found = {f["what"]: f"{f['detail']}; {f['hint']}" for f in result.document["findings"] if not f["good"]}
    assert [name for name, text in found.items() if text.endswith("; ")] == [], "a problem without a hint"
    assert result.code == (1 if found else 0)
    return found


def test_a_log_that_is_too_short_or_another_one_is_detected(cli: Cli) -> None:
    cli("simulate", "--events", 1000, "--data", "data")
    cli("process", "--data", "data")
    assert bad(cli) == {}
    with sqlite3.connect("data/log.db") as log:
        log.execute("DELETE FROM batch WHERE topic = 'ad_impressions'")
        log.execute("DELETE FROM topic WHERE name = 'ad_impressions'")
    assert list(bad(cli)) == ["log and ledger"]
    assert (
        "but the log ends at 0: it was emptied or replaced (ad_impressions/0); restore the log"
        in bad(cli)["log and ledger"]
    )

    for file in Path("data").glob("log.db*"):
        file.unlink()
    cli("simulate", "--events", 2000, "--seed", 2, "--data", "data")
    assert list(bad(cli)) == ["log and ledger"]
    assert "the ledger belongs to another log" in bad(cli)["log and ledger"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("DELETE FROM impressions", "ad_impressions/0 has 0 events, but the ledger counts"),
        ('DELETE FROM clicks WHERE "offset" = (SELECT min("offset") FROM clicks)', "clicks_conversions/0 has"),
        ("INSERT INTO bids FROM bids LIMIT 1", "avro_data_topic/0 has"),
        ("DELETE FROM rejects", "rejects, but the ledger counts"),
    ],
)
def test_a_store_that_differs_from_its_ledger_is_detected(cli: Cli, change: str, text: str) -> None:
    cli("simulate", "--events", 1000, "--data", "data")
    cli("process", "--data", "data")
    with duckdb.connect("data/store.duckdb") as store:
        store.execute(change)
    assert list(bad(cli)) == ["store's counts"]
    assert text in bad(cli)["store's counts"]
    assert "restore it from a backup" in bad(cli)["store's counts"]


def test_text_that_looks_like_markup_is_shown_unchanged(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVERTISEX_CATALOGUE", "/nowhere/[/x]\x1b[2J.csv")
    result = cli("doctor")
    assert result.code == 1
    assert "/nowhere/[/x]␛[2J.csv" in result.out


def test_a_folder_name_that_looks_like_markup_is_shown_unchanged(cli: Cli) -> None:
    cli("simulate", "--events", 100, "--data", "data")
    shutil.move("data", "[bold]")
    result = cli("doctor", "--data", "[bold]")
    assert result.code == 0
    assert "[bold]/log.db" in result.out
