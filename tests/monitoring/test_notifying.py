"""Delivery of notices across restarts and channel failures: once per incident, grouped into one notice."""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import stamina
from pydantic import SecretStr

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Batch, Span
from advertisex.monitoring.channels import Channel, Report, channels_of
from advertisex.monitoring.monitor import Monitor, reached
from advertisex.monitoring.notices import Notice
from advertisex.monitoring.notifications import Due
from advertisex.monitoring.state_store import load_states
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.settings.alerts import AlertSettings, RuleSettings
from advertisex.stores.duckdb.store import DuckdbStore
from tests.budget import thorough
from tests.monitoring.receivers import Webhook, free_port, webhook
from tests.monitoring.simulated_store import BUCKET, Traffic, World

#: Fixed bounds need no history, which keeps the tests fast.
RULES = {
    "too_few_clicks": RuleSettings(metric="volume", feed="clicks", below=20),
    "too_few_bids": RuleSettings(metric="volume", feed="bids", below=20, severity="critical"),
}
QUIET = Traffic()
BOTH_LOW = QUIET.with_rate("clicks", 0.02).with_rate("bids", 0.02)


@pytest.fixture(autouse=True)
def _without_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2):
        yield


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


class Harness:
    """A simulated store, and a monitor that restarts for every check."""

    def __init__(self, path: Path, *channels: str, cooldown: timedelta = timedelta(0)) -> None:
        self.world = World(path, seed=3)
        urls = tuple(SecretStr(url) for url in channels)
        self.settings = AlertSettings(bucket=BUCKET, channels=urls, rules=RULES, cooldown=cooldown)
        self.world.play(1)

    def play(self, buckets: int, traffic: Traffic = QUIET) -> None:
        self.world.play(buckets, traffic, self.check)

    def check(self, now: datetime | None = None) -> None:
        at = now or self.world.now + timedelta(seconds=40)
        monitor = Monitor(self.world.store, self.settings)
        monitor.check(at, at)
        monitor.close(at, wait=60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.duckdb"


def test_alerts_that_fire_together_share_one_notice_not_repeated_after_restarts(path: Path, hook: Webhook) -> None:
    harness = Harness(path, hook.url)
    harness.play(3)
    assert hook.got == []
    harness.play(3, BOTH_LOW)
    harness.check()

    (notified,) = hook.got
    assert notified["title"] == "AdvertiseX: 2 firing"
    first, second = notified["message"].splitlines()
    assert first.startswith("critical: event volume of bids: ")
    assert "expected at least 20 in 180 min, since 2026-03-02 12:00 UTC; check that its sources deliver" in first
    assert second.startswith("warning: event volume of clicks: ")

    harness.play(3)
    harness.check()
    assert [one["title"] for one in hook.got] == ["AdvertiseX: 2 firing", "AdvertiseX: 2 resolved"]
    assert "resolved: event volume of bids, from 2026-03-02 12:00 UTC to 2026-03-02 21:00 UTC" in hook.got[1]["message"]


def test_a_failing_channel_is_notified_later_and_the_other_is_not_notified_again(path: Path, hook: Webhook) -> None:
    hook.status = 503
    with webhook() as other:
        harness = Harness(path, hook.url, other.url)
        harness.play(2, BOTH_LOW)
        assert len(other.got) == 1
        assert hook.attempts == 2, "retried immediately"
        (state, _) = load_states(harness.world.store).values()
        assert state.notified == {other.name: "firing"}
        assert "503" in state.undelivered[hook.name]

        harness.check()
        hook.status = 200
        harness.check()
        assert len(hook.got) == 1
        assert len(other.got) == 1
        states = load_states(harness.world.store).values()
        assert [(state.undelivered, len(state.notified)) for state in states] == [({}, 2)] * 2


def test_an_incident_that_ends_while_a_channel_is_down_is_reported_as_over(path: Path) -> None:
    port = free_port()
    harness = Harness(path, f"json://127.0.0.1:{port}/?cto=1")
    harness.play(2, BOTH_LOW)
    harness.play(2)
    with webhook(port=port) as hook:
        harness.check()
        harness.check()
        (notified,) = hook.got
    assert notified["message"].count("over: event volume of") == 2


def test_an_incident_that_ends_while_the_monitor_is_down_is_reported_later(path: Path, hook: Webhook) -> None:
    harness = Harness(path, hook.url)
    harness.play(1)
    harness.world.play(2, BOTH_LOW)
    harness.world.play(4)
    harness.check()
    (notified,) = hook.got
    assert "over: event volume of bids, from 2026-03-02 06:00 UTC to 2026-03-02 12:00 UTC" in notified["message"]


def test_incidents_missed_while_the_monitor_is_down_are_reported_in_order(path: Path, hook: Webhook) -> None:
    harness = Harness(path, hook.url)
    harness.play(2, BOTH_LOW)
    harness.world.play(2)
    harness.world.play(2, BOTH_LOW)
    harness.check()
    harness.check()
    assert [one["title"] for one in hook.got] == [
        "AdvertiseX: 2 firing",
        "AdvertiseX: 2 resolved",
        "AdvertiseX: 2 firing",
    ]
    assert "resolved: event volume of bids, from 2026-03-02 03:00 UTC to 2026-03-02 09:00 UTC" in hook.got[1]["message"]
    assert "since 2026-03-02 15:00 UTC" in hook.got[2]["message"]


def test_an_alert_whose_rule_is_removed_from_the_settings_is_reported_as_resolved(path: Path, hook: Webhook) -> None:
    harness = Harness(path, hook.url)
    harness.play(2, BOTH_LOW)
    harness.settings = AlertSettings(bucket=BUCKET, channels=harness.settings.channels)
    harness.check()
    harness.check()
    assert [one["title"] for one in hook.got] == ["AdvertiseX: 2 firing", "AdvertiseX: 2 resolved"]
    assert load_states(harness.world.store) == {}


def test_a_check_does_not_wait_for_channels(path: Path, hook: Webhook) -> None:
    hook.status = None
    harness = Harness(path, hook.url)
    harness.world.play(2, BOTH_LOW)
    monitor = Monitor(harness.world.store, harness.settings)
    at = harness.world.now + timedelta(seconds=40)
    for _ in range(3):
        states = monitor.check(at, at)
    assert [(state.status, state.undelivered) for state in states.values()] == [("firing", {})] * 2
    assert not hook.release.is_set(), "the webhook has not answered yet"
    hook.release.set()
    monitor.close(at, wait=60)
    assert hook.got == []


def expect_notices(hook: Webhook, channel: Channel[list[Due]], count: int) -> None:
    """Wait for the report on the notice in flight, if any, and check the number of received notices."""
    end = time.monotonic() + 60
    while channel.busy and not channel.reported:
        assert time.monotonic() < end, "the channel reports nothing"
        time.sleep(0.01)
    assert len(hook.got) == count


class Unwritable(DuckdbStore):
    """A store whose notes cannot be written while `broken` is set."""

    broken = False

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        super().take_note(kind, notes)


def test_a_temporary_write_failure_of_the_store_repeats_no_notice(path: Path, hook: Webhook) -> None:
    harness = Harness(path, hook.url)
    harness.world.store.close()
    harness.world.store = store = Unwritable(path, clock=lambda: harness.world.now)
    harness.world.play(2, BOTH_LOW)
    (channel,) = channels = channels_of(harness.settings.channels)
    monitor = Monitor(store, harness.settings, channels)
    at = harness.world.now + timedelta(seconds=40)
    monitor.check(at, at)
    expect_notices(hook, channel, 1)
    store.broken = True
    with pytest.raises(StoreError):
        monitor.check(at, at)
    store.broken = False
    states = monitor.check(at, at)
    assert {kind for state in states.values() for kind in state.notified.values()} == {"firing"}
    assert load_states(store) == states
    expect_notices(hook, channel, 1)

    store.broken = True
    with pytest.raises(StoreError):
        monitor.check(at + BUCKET, at + BUCKET)  # the new buckets are evaluated again later
    with pytest.raises(StoreError):
        Monitor(store, harness.settings).check(at + BUCKET, at + BUCKET)
    store.broken = False
    monitor.close(at, wait=60)
    harness.check()
    assert len(hook.got) == 1


def test_close_stops_the_channels_even_if_the_store_cannot_be_written(path: Path, hook: Webhook) -> None:
    harness = Harness(path, hook.url)
    harness.world.store.close()
    harness.world.store = store = Unwritable(path, clock=lambda: harness.world.now)
    harness.world.play(2, BOTH_LOW)
    monitor = Monitor(store, harness.settings)
    at = harness.world.now + timedelta(seconds=40)
    before = set(threading.enumerate())
    monitor.check(at, at)
    (thread,) = (one for one in threading.enumerate() if one.name == "alerts" and one not in before)
    store.broken = True
    with pytest.raises(StoreError):
        monitor.close(at, wait=60)
    thread.join(60)
    assert not thread.is_alive()
    store.broken = False
    monitor.close(at)
    notified = [list(state.notified.values()) for state in load_states(store).values()]
    assert notified == [["firing"]] * 2, "a second close saves the states"


class Unfinished(Channel[list[Due]]):
    """A channel whose notice is never delivered."""

    def __init__(self, name: str, waits: list[float]) -> None:
        super().__init__(name, server=None)
        self._waits = waits

    def send(self, notice: Notice, about: list[Due]) -> None: ...

    def reports(self, wait: float = 0.0) -> list[Report[list[Due]]]:
        self._waits.append(wait)
        time.sleep(wait)
        return []


def test_close_has_one_timeout_for_all_channels(path: Path) -> None:
    harness = Harness(path)
    waits: list[float] = []
    monitor = Monitor(harness.world.store, harness.settings, [Unfinished(name, waits) for name in "abc"])
    at = harness.world.now + timedelta(seconds=40)
    monitor.check(at, at)
    assert waits == [0.0] * 3
    monitor.close(at, wait=0.1)
    first, *others = waits[3:]
    assert 0 <= first <= 0.1
    assert others == [0.0] * 2, "the first channel used up the time"


@thorough
def test_alerts_that_fire_again_within_the_cooldown_are_not_reported(path: Path, hook: Webhook) -> None:
    harness = Harness(path, hook.url, cooldown=timedelta(hours=36))
    for _ in range(2):
        harness.play(2, BOTH_LOW)
        harness.play(2)
    assert [one["title"] for one in hook.got] == ["AdvertiseX: 2 firing", "AdvertiseX: 2 resolved"]
    harness.play(10, BOTH_LOW)  # still firing after the cooldown
    assert [one["title"] for one in hook.got[2:]] == ["AdvertiseX: 2 firing"]


def test_only_processed_buckets_are_evaluated(path: Path) -> None:
    harness = Harness(path)
    harness.play(1)
    processed = harness.world.now
    later = processed + 4 * BUCKET
    monitor = Monitor(harness.world.store, harness.settings)
    behind = monitor.check(later, processed)
    assert [key.rule for key in behind] == ["behind"], "messages are unprocessed, so an empty bucket means nothing"
    found = monitor.check(later + BUCKET, later + BUCKET)
    assert {key.rule for key in found} == set(RULES), "everything is processed, so the feeds are empty"
    assert {state.status for state in found.values()} == {"firing"}


def test_a_processing_lag_is_reported_and_then_resolved(path: Path, hook: Webhook) -> None:
    harness = Harness(path, hook.url)
    monitor = Monitor(harness.world.store, harness.settings)
    processed = harness.world.now
    for after in range(1, 4):  # several checks per bucket change nothing
        for second in (50, 55):
            at = processed + after * BUCKET + timedelta(seconds=second)
            monitor.check(at, processed)
            monitor.close(at, wait=60)
            monitor = Monitor(harness.world.store, harness.settings)
    (notified,) = hook.got
    assert notified["message"].startswith(
        "critical: processing lags behind the log: 360.8 min, expected at most 15.0 min, since"
    )

    harness.play(5)  # the backlog is processed
    harness.check()
    assert "resolved: processing lags behind the log" in hook.got[-1]["message"]


def test_reached_is_now_unless_messages_are_unprocessed(tmp_path: Path) -> None:
    topic = FEEDS["bids"].topic
    now = datetime(2100, 1, 1)
    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "store.duckdb") as store:
        assert reached(log, store, [topic], now) == now
        log.append(topic, [b"{}"])
        log.append(topic, [b"[]"])
        first, second = (log.read(topic, 0, offset, 1) for offset in (0, 1))
        assert reached(log, store, [topic], now) == ingestion_time(first)
        assert reached(log, store, ["others"], now) == now
        for batch in (first, second):
            assert reached(log, store, [topic], now) == ingestion_time(batch)
            span = Span(topic, 0, batch.offsets[0], batch.offsets[0] + 1)
            again = Batch(span, batch.offsets, batch.payloads, batch.ingested_at)
            store.commit(process(again, FEEDS["bids"], Policy()))
        assert reached(log, store, [topic], now) == now


def ingestion_time(batch: Batch) -> datetime:
    return datetime(1970, 1, 1) + timedelta(microseconds=batch.ingested_at[0])
