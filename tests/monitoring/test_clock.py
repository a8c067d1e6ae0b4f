"""A clock that jumps: stored times in the future are not believed, and the next incident is found as usual."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from advertisex.monitoring.clock import Clock, without_future
from advertisex.monitoring.monitor import Monitor
from advertisex.monitoring.notifications import delivered, due
from advertisex.monitoring.rules import Evaluation, Key
from advertisex.monitoring.state_store import load_evaluated, load_states
from advertisex.monitoring.states import expire, step
from advertisex.settings.alerts import AlertSettings
from tests.budget import some, usually
from tests.monitoring.simulated_store import BUCKET, Traffic, World

SETTINGS = AlertSettings(bucket=BUCKET)
QUIET = Traffic()
A_DAY = timedelta(days=1) // BUCKET
STOPPED = Key("silence", "bids", None)
REJECTED = Key("rejects", "clicks", None)
INCIDENT = replace(QUIET.with_rate("bids", 0), rejects=0.4, only="clicks")
JUMPS = [sign * timedelta(hours=hours) for hours in usually((12, 120), thorough=(12, 72, 120, 720)) for sign in (1, -1)]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """A store after five quiet days, and the current time."""
    path = tmp_path_factory.mktemp("clock") / "store.duckdb"
    world = World(path, seed=5)
    world.play(5 * A_DAY)
    world.store.close()
    return path, world.now


@pytest.fixture
def world(days: tuple[Path, datetime], tmp_path: Path) -> Iterator[World]:
    path, now = days
    shutil.copy(path, tmp_path / "store.duckdb")
    made = World(tmp_path / "store.duckdb", seed=6, now=now)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("jump", "restarts"),
    some([*((jump, False) for jump in JUMPS), (timedelta(days=3), True), (timedelta(days=-3), True)], 3),
)
def test_an_incident_after_a_jump_and_its_correction_is_found_within_five_buckets(
    world: World, jump: timedelta, restarts: bool
) -> None:
    monitor = Monitor(world.store, SETTINGS)

    def check(now: datetime) -> None:
        nonlocal monitor
        monitor = Monitor(world.store, SETTINGS) if restarts else monitor
        monitor.check(now, now)

    world.play(1, then=check)
    with capture_logs() as logs:
        world.now += jump
        world.play(2, then=check)
        world.now -= jump
        world.play(2, then=check)
        started = world.now
        for _ in range(5):
            world.play(1, INCIDENT, check)
            states = load_states(world.store)
            if all(key in states and states[key].status == "firing" for key in (STOPPED, REJECTED)):
                break
        else:
            pytest.fail(f"not found: {states}")
    assert min(states[STOPPED].since, states[REJECTED].since) >= started - BUCKET
    evaluated = load_evaluated(world.store)
    assert evaluated is not None
    assert evaluated.until <= world.now
    assert sum("the clock was fast" in line["event"] for line in logs) == 1


NOW = datetime(2026, 3, 2)
CLOCK = Clock(NOW, NOW + BUCKET, NOW - 3 * BUCKET, timedelta(hours=4))


def test_an_incident_of_the_future_is_dropped_or_closed_if_its_start_was_reported() -> None:
    later = NOW + timedelta(days=30)
    bad = [Evaluation(STOPPED, later + place * BUCKET, True, 0.0, 9.0, None, None) for place in range(2)]
    states = step({}, bad, {"silence": "critical"}, 2, timedelta(hours=4))
    assert without_future(states, CLOCK) == {}

    notified = delivered(states, "a", due(states, "a", later), later)
    closed = without_future(notified, CLOCK)
    (state,) = closed.values()
    assert (state.status, state.lapsed, state.seen, state.notified_at) == ("resolved", True, CLOCK.latest, NOW)
    assert [one.kind for one in due(expire(closed, ["silence"], NOW), "a", NOW)] == ["resolved"]


def test_times_that_do_not_lie_in_the_future_are_kept() -> None:
    bad = [Evaluation(STOPPED, NOW - place * BUCKET, True, 0.0, 9.0, None, None) for place in (2, 1, 0)]
    states = step({}, bad, {"silence": "critical"}, 2, timedelta(hours=4))
    assert without_future(states, CLOCK) == states
