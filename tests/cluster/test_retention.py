"""Retention of a store in Elasticsearch, by the command line."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any


def test_old_periods_are_dropped_by_process(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster()
    today = datetime.now(UTC)
    rows = "".join(f"{today - timedelta(days=days):%Y-%m-%d %H:%M:%S},u{days},k,click\n" for days in (200, 100, 1))
    (cluster.folder / "clicks.csv").write_text(f"timestamp,user_id,campaign_id,conversion_type\n{rows}")
    cluster.call("ingest", "clicks", "clicks.csv")
    assert cluster.call("process")["total"]["stored"] == 3

    settings = cluster.folder / "advertisex.toml"
    settings.write_text(f"store.keep_days = 40\n{settings.read_text()}")
    assert cluster.call("process")["balanced"]

    ledger = cluster.call("ledger")
    assert (ledger["total"]["stored"], ledger["total"]["removed"], ledger["balanced"]) == (3, 2, True)
    assert ledger["kept_since"] == f"{(today - timedelta(days=40)).replace(day=1):%Y-%m-%d}T00:00:00Z"
