"""Monitoring of stores that have not all feeds, few events, or none."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from advertisex.cli.commands import app
from advertisex.monitoring.monitor import Monitor
from advertisex.monitoring.rules import Key
from advertisex.settings.alerts import AlertSettings
from tests.budget import usually
from tests.monitoring.simulated_store import BUCKET, Traffic, World

SETTINGS = AlertSettings(bucket=BUCKET)
A_DAY = timedelta(days=1) // BUCKET
NONE = {"impressions": 0.0, "clicks": 0.0, "bids": 0.0}
RATES = {"impressions": 100.0, "clicks": 100.0, "bids": 100.0}


def only(*feeds: str) -> Traffic:
    return Traffic(NONE | {feed: RATES[feed] for feed in feeds})


TRAFFIC = {
    "nothing": Traffic(NONE),
    "impressions": only("impressions"),
    "clicks": only("clicks"),
    "bids": only("bids"),
    "impressions and bids": only("impressions", "bids"),
    "clicks and bids": only("clicks", "bids"),
    "few events": Traffic(dict.fromkeys(NONE, 1.0)),
    "rejects": replace(only("impressions", "bids"), rejects=1.0),
    "clicks that do not convert": replace(only("clicks"), converting=0.0),
}
#: What is tried for days.
FOR_DAYS = usually(("clicks and bids", "rejects"), thorough=tuple(TRAFFIC))


def check(monitor: Monitor, now: datetime) -> dict[Key, str]:
    return {key: state.status for key, state in monitor.check(now, now).items()}


@pytest.mark.parametrize(("name", "buckets"), [("clicks", 1), *((name, 3 * A_DAY) for name in FOR_DAYS)])
def test_any_part_of_the_traffic_is_evaluated(tmp_path: Path, name: str, buckets: int) -> None:
    world = World(tmp_path / "store.duckdb", seed=3)
    monitor = Monitor(world.store, SETTINGS)
    world.play(buckets, TRAFFIC[name])
    check(monitor, world.now + timedelta(seconds=40))
    monitor.close(world.now)
    world.store.close()
    done = CliRunner().invoke(app, ["anomalies", "--data", str(tmp_path), "--bucket", "3h"])
    assert done.exit_code == 0, done.output


def test_the_silence_of_the_only_feed_is_found(tmp_path: Path) -> None:
    world = World(tmp_path / "store.duckdb", seed=3)
    world.play(4 * A_DAY + 3, only("impressions"))
    monitor = Monitor(world.store, SETTINGS)
    seen: set[str | None] = set()
    world.play(3, Traffic(NONE), lambda now: seen.add(check(monitor, now).get(Key("silence", "impressions", None))))
    monitor.close(world.now)
    world.store.close()
    assert "firing" in seen
