"""Retention on the command line: what is dropped, and every place that says so."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from advertisex.stores.duckdb.store import DuckdbStore

Cli = Callable[..., Any]
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
FLOOR = f"{TODAY - timedelta(days=30):%Y-%m-%d}"


@pytest.fixture
def click(cli: Cli, tmp_path: Path) -> Callable[..., None]:
    """click(*days_ago): ingest a click of each of these days."""

    def ingest(*days_ago: int) -> None:
        rows = "".join(f"{TODAY - timedelta(days=days)},u{days},k,click\n" for days in days_ago)
        (tmp_path / "clicks.csv").write_text(f"timestamp,user_id,campaign_id,conversion_type\n{rows}")
        assert cli("ingest", "clicks", "clicks.csv").code == 0

    return ingest


def detail_of(cli: Cli, *arguments: object) -> str:
    """What doctor says about retention."""
    found = cli("doctor", "--json", *arguments).document["findings"]
    return str(next(finding["detail"] for finding in found if finding["what"] == "store's retention"))


def test_old_days_are_dropped_by_process_and_named_everywhere(
    cli: Cli, click: Callable[..., None], tmp_path: Path
) -> None:
    config = ("--config", "keep.toml")
    (tmp_path / "keep.toml").write_text("[store]\nkeep_days = 30\n")
    click(100, 31, 30, 1)
    assert cli("process").code == 0
    assert detail_of(cli) == "everything is kept"
    assert detail_of(cli, *config) == f"everything is kept; the next `advertisex process` drops events before {FLOOR}"
    assert cli("ledger", "--json").document["kept_since"] is None

    processed = cli("process", *config)

    assert processed.code == 0
    assert "old events were removed" in processed.err
    assert "expired" not in processed.out
    shown = cli("ledger")
    assert "Removed by retention, and still counted above" in shown.out
    assert f"Events before {FLOOR} (UTC) are not kept" in shown.out
    document = cli("ledger", "--json").document
    assert (document["total"]["stored"], document["total"]["removed"], document["balanced"]) == (4, 2, True)
    assert document["kept_since"] == f"{FLOOR}T00:00:00Z"
    summary = cli("analyze", "summary")
    assert f"Nothing before {FLOOR} (UTC) is kept (store.keep_days)" in summary.out
    written = cli("analyze", "summary", "--csv")
    assert f"Nothing before {FLOOR}" in written.err
    assert "Nothing" not in written.out
    assert cli("analyze", "summary", "--json", "--since", FLOOR).document["events"] == 2
    tomorrow = f"{TODAY - timedelta(days=29):%Y-%m-%d} are dropped on {TODAY + timedelta(days=1):%Y-%m-%d}"
    assert detail_of(cli, *config) == (
        f"events before {FLOOR} (UTC) are not kept; removed: 2 events and 0 rejects; events before {tomorrow}"
    )
    assert detail_of(cli).endswith(f"store.keep_days now keeps more, but only of events from {FLOOR} on")
    assert cli("doctor", *config).code == 0

    click(99)
    processed = cli("process")
    pointer = "advertisex rejects list --kind filtered --reason expired"
    assert f"1 filtered, older than what the store keeps (store.keep_days): `{pointer}`." in processed.out
    assert len(cli(*pointer.split()[1:], "--json").document["rejects"]) == 1
    assert cli("process", "--json").document["expired"] == 1
    (reject,) = cli("rejects", "list", "--json").document["rejects"]
    assert (reject["kind"], reject["reason"]) == ("filtered", "expired")
    assert cli("rejects", "resolve", "--all", "--yes").code == 0
    assert "expired" not in cli("process").out
    assert cli("rebuild", "--json").code == 0
    document = cli("ledger", "--json").document
    assert (document["total"]["stored"], document["total"]["filtered"], document["total"]["removed"]) == (2, 3, 0)
    assert document["kept_since"] == f"{FLOOR}T00:00:00Z"


def test_a_floor_below_all_events_is_not_named_where_it_changes_nothing(
    cli: Cli, click: Callable[..., None], tmp_path: Path
) -> None:
    config = ("--config", "keep.toml")
    (tmp_path / "keep.toml").write_text("[store]\nkeep_days = 36500\n")
    click(2, 1)
    assert cli("process", *config).code == 0
    floor = detail_of(cli, *config)
    assert floor.startswith("nothing was removed yet; events before 19")
    assert "are dropped on 20" in floor

    assert "kept_since" not in cli("analyze", "summary", "--json").document
    assert cli("ledger", "--json").document["kept_since"] is None
    assert "Nothing before" not in cli("anomalies").out


def test_a_store_that_keeps_nothing_before_the_future_is_a_finding_and_an_error(
    cli: Cli, click: Callable[..., None], tmp_path: Path
) -> None:
    click(1)
    assert cli("process").code == 0
    with DuckdbStore(tmp_path / ".advertisex" / "store.duckdb") as store:
        store.drop_before(TODAY + timedelta(days=9))
    click(0)

    found = next(f for f in cli("doctor", "--json").document["findings"] if f["what"] == "store's retention")
    assert not found["good"]
    assert "in the future" in found["detail"]
    assert "advertisex rebuild" in found["hint"]
    failed = cli("process")
    assert (failed.code, "in the future" in failed.err) == (1, True)
    assert cli("rebuild").code == 0
    assert cli("ledger", "--json").document["total"]["stored"] == 2
    assert cli("doctor").code == 0


def test_the_anomalies_name_the_start_of_their_history(cli: Cli, click: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "keep.toml").write_text("[store]\nkeep_days = 1\n")
    click(3, 1)
    assert cli("process", "--config", "keep.toml").code == 0

    since = f"{TODAY - timedelta(days=1):%Y-%m-%d}"
    assert f"Nothing before {since} (UTC) is kept" in cli("anomalies").out
    assert cli("anomalies", "--json").document["kept_since"] == f"{since}T00:00:00Z"
