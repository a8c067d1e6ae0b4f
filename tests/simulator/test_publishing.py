"""Simulations published to a log, at full speed and in real time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from advertisex.errors import ConfigurationError, LogError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.simulator import (
    BLOCKED_SITES,
    BLOCKED_USERS,
    SimulationSettings,
    SystemClock,
    messages,
    play,
    publish_simulation,
)
from advertisex.simulator.market import draw_market
from advertisex.testing import ManualClock
from tests.simulator import oracle

POLICY = {"blocked_users": list(BLOCKED_USERS), "blocked_sites": list(BLOCKED_SITES)}


START = datetime(2025, 6, 15, 15, 6, 40)


class FakeClock(ManualClock):
    """Time advances only in `sleep`; after the given number of sleeps the user interrupts."""

    def __init__(self, sleeps: int) -> None:
        super().__init__(START)
        self.left = sleeps

    def sleep(self, seconds: float) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        super().sleep(seconds)


class FailingLog(SqliteLog):
    """Accepts the first append, then fails."""

    def append(self, topic: str, messages: Sequence[bytes], **more: Any) -> None:
        if len(self.end_offsets()):
            raise LogError("the disk is full")
        super().append(topic, messages, **more)


def everything(log: SqliteLog, topic: str) -> list[bytes]:
    found: list[bytes] = []
    while len(batch := log.read(topic, 0, len(found), 100_000)):
        found += batch.payloads
    return found


def test_the_log_contains_the_messages_in_order(tmp_path: Path) -> None:
    asked = SimulationSettings(events=60_000, seed=3)
    progress: list[int] = []
    with SqliteLog(tmp_path / "log.db") as log:
        truth = publish_simulation(log, asked, progress.append)
        expected: dict[str, list[bytes]] = {"impressions": [], "clicks": [], "bids": []}
        for feed, payloads in messages(asked):
            expected[feed] += payloads
        for feed, payloads in expected.items():
            assert everything(log, FEEDS[feed].topic) == payloads
            assert truth.feeds[feed].read == len(payloads)
    assert progress == sorted(progress)
    assert progress[-1] == truth.messages == 60_000


def test_configured_topics_are_used(tmp_path: Path) -> None:
    feeds = {name: replace(feed, topic=f"mine.{name}") for name, feed in FEEDS.items()}
    with SqliteLog(tmp_path / "log.db") as log:
        publish_simulation(log, SimulationSettings(events=500), feeds=feeds)
        play(log, SimulationSettings(seed=2), 200, FakeClock(40), feeds=feeds)
        assert {partition.topic for partition in log.end_offsets()} == {feed.topic for feed in feeds.values()}


def test_playing_keeps_the_rate_and_the_truth_until_interrupted(tmp_path: Path) -> None:
    clock, progress = FakeClock(240), list[int]()
    with SqliteLog(tmp_path / "log.db") as log:
        truth = play(log, SimulationSettings(seed=3), 500, clock, progress.append)
        found = {}
        for feed in FEEDS.values():
            found[feed.name] = oracle.Tally(feed.name, POLICY)
            found[feed.name].add(oracle.decode(feed.name, m) for m in everything(log, feed.topic))
    known = truth.to_dict()
    assert {name: tally.as_truth(known["feeds"][name]) for name, tally in found.items()} == known["feeds"]
    campaign_of = {creative: campaign for creative, campaign, _ in draw_market(3, users=1).catalogue_rows}
    assert oracle.analysis(found, campaign_of) == known["analysis"]
    assert truth.messages == progress[-1] == pytest.approx(500 * 60, rel=0.05)
    for tally in found.values():
        for fields in tally.stored.values():
            event_time = oracle.parse_time(fields["timestamp"])
            assert event_time is not None
            assert START <= event_time.astimezone(UTC).replace(tzinfo=None) <= clock.now()


def test_a_low_rate_still_produces_messages(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        truth = play(log, SimulationSettings(seed=3), 0.5, FakeClock(800))
    assert 60 < truth.messages < 110


def test_playing_survives_a_clock_that_is_set_back(tmp_path: Path) -> None:
    class SetBack(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.left == 20:
                self.advance(timedelta(seconds=-3))

    with SqliteLog(tmp_path / "log.db") as log:
        truth = play(log, SimulationSettings(seed=3), 400, SetBack(60))
    assert truth.messages > 3_000


def test_a_failing_log_ends_the_simulation(tmp_path: Path) -> None:
    with FailingLog(tmp_path / "log.db") as log, pytest.raises(LogError, match="disk is full"):
        play(log, SimulationSettings(), 400, FakeClock(60))


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e7, float("nan")])
def test_an_invalid_rate_is_rejected(tmp_path: Path, rate: float) -> None:
    with SqliteLog(tmp_path / "log.db") as log, pytest.raises(ConfigurationError, match="--rate"):
        play(log, SimulationSettings(), rate, FakeClock(1))


def test_the_system_clock_advances() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0.001)
    assert clock.now() > before
