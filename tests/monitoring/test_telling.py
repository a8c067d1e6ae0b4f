"""The monitor and its channels over restarts: what is wrong is told once, together, and whatever a channel does."""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import stamina
from pydantic import SecretStr
from receivers import Webhook, free_port, webhook
from simulated_store import BUCKET, Traffic, World

from advertisex.batches import Batch, Span
from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite import SqliteLog
from advertisex.monitoring.memory import remembered
from advertisex.monitoring.monitor import Monitor, reached
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.settings import AlertSettings, RuleSettings
from advertisex.stores.duckdb import DuckdbStore

#: These rules need no history, so that a test is done in no time.
RULES = {
    "too_few_clicks": RuleSettings(metric="volume", feed="clicks", below=20),
    "too_few_bids": RuleSettings(metric="volume", feed="bids", below=20, severity="critical"),
}
QUIET = Traffic()
BOTH_GONE = QUIET.with_rate("clicks", 0.02).with_rate("bids", 0.02)


@pytest.fixture(autouse=True)
def _without_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2):
        yield


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


class Desk:
    """A world, and a monitor that is begun anew for every look."""

    def __init__(self, path: Path, *channels: str, cooldown: timedelta = timedelta(0)) -> None:
        self.world = World(path, seed=3)
        urls = tuple(SecretStr(url) for url in channels)
        self.settings = AlertSettings(bucket=BUCKET, channels=urls, rules=RULES, cooldown=cooldown)
        self.world.play(1)

    def play(self, buckets: int, traffic: Traffic = QUIET) -> None:
        self.world.play(buckets, traffic, self.look)

    def look(self, now: datetime | None = None) -> None:
        at = now or self.world.now + timedelta(seconds=40)
        monitor = Monitor(self.world.store, self.settings)
        monitor.look(at, at)
        monitor.close(at, wait=10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.duckdb"


def test_what_fires_together_is_told_together_and_once_over_any_number_of_restarts(path: Path, hook: Webhook) -> None:
    desk = Desk(path, hook.url)
    desk.play(3)
    assert hook.got == []
    desk.play(3, BOTH_GONE)
    desk.look()

    (notified,) = hook.got
    assert notified["title"] == "AdvertiseX: 2 firing"
    first, second = notified["message"].splitlines()
    assert first.startswith("critical: events of bids: ")
    assert "allowed from 20 in 180 min, since 2026-03-02 12:00 UTC; see whether its sources deliver" in first
    assert second.startswith("warning: events of clicks: ")

    desk.play(3)
    desk.look()
    assert [one["title"] for one in hook.got] == ["AdvertiseX: 2 firing", "AdvertiseX: 2 resolved"]
    assert "resolved: events of bids, from 2026-03-02 12:00 UTC to 2026-03-02 21:00 UTC" in hook.got[1]["message"]


def test_a_channel_that_fails_is_told_later_and_the_other_is_not_told_again(path: Path, hook: Webhook) -> None:
    hook.status = 503
    with webhook() as other:
        desk = Desk(path, hook.url, other.url)
        desk.play(2, BOTH_GONE)
        assert len(other.got) == 1
        assert hook.tried == 2, "it is tried again at once"
        (state, _) = remembered(desk.world.store).values()
        assert state.notified == {other.name: "firing"}
        assert "503" in state.undelivered[hook.name]

        desk.look()
        hook.status = 200
        desk.look()
        assert len(hook.got) == 1
        assert len(other.got) == 1
        assert all(not s.undelivered and len(s.notified) == 2 for s in remembered(desk.world.store).values())


def test_what_came_and_went_while_a_channel_was_away_is_told_as_over(path: Path) -> None:
    port = free_port()
    desk = Desk(path, f"json://127.0.0.1:{port}/?cto=1")
    desk.play(2, BOTH_GONE)
    desk.play(2)
    with webhook(port=port) as hook:
        desk.look()
        desk.look()
        (notified,) = hook.got
    assert notified["message"].count("over: events of") == 2


def test_what_came_and_went_while_nobody_looked_is_told_after_the_restart(path: Path, hook: Webhook) -> None:
    desk = Desk(path, hook.url)
    desk.play(1)
    desk.world.play(2, BOTH_GONE)
    desk.world.play(4)
    desk.look()
    (notified,) = hook.got
    assert "over: events of bids, from 2026-03-02 06:00 UTC to 2026-03-02 12:00 UTC" in notified["message"]


def test_what_ended_and_began_again_while_nobody_looked_is_told_in_its_order(path: Path, hook: Webhook) -> None:
    desk = Desk(path, hook.url)
    desk.play(2, BOTH_GONE)
    desk.world.play(2)
    desk.world.play(2, BOTH_GONE)
    desk.look()
    desk.look()
    assert [one["title"] for one in hook.got] == [
        "AdvertiseX: 2 firing",
        "AdvertiseX: 2 resolved",
        "AdvertiseX: 2 firing",
    ]
    assert "resolved: events of bids, from 2026-03-02 03:00 UTC to 2026-03-02 09:00 UTC" in hook.got[1]["message"]
    assert "since 2026-03-02 15:00 UTC" in hook.got[2]["message"]


def test_an_alert_whose_rule_is_gone_from_the_settings_is_told_as_resolved(path: Path, hook: Webhook) -> None:
    desk = Desk(path, hook.url)
    desk.play(2, BOTH_GONE)
    desk.settings = AlertSettings(bucket=BUCKET, channels=desk.settings.channels)
    desk.look()
    desk.look()
    assert [one["title"] for one in hook.got] == ["AdvertiseX: 2 firing", "AdvertiseX: 2 resolved"]
    assert remembered(desk.world.store) == {}


def test_a_look_waits_for_no_channel(path: Path, hook: Webhook) -> None:
    hook.status = None
    desk = Desk(path, hook.url)
    desk.world.play(2, BOTH_GONE)
    monitor = Monitor(desk.world.store, desk.settings)
    at = desk.world.now + timedelta(seconds=40)
    begun = time.monotonic()
    for _ in range(3):
        states = monitor.look(at, at)
    assert time.monotonic() - begun < 1.0
    assert {state.status for state in states.values()} == {"firing"}
    hook.let_go.set()
    monitor.close(at, wait=10)
    assert hook.got == []


def sent(hook: Webhook, monitor: Monitor, count: int) -> None:
    """Wait until the channel has reported on what it was given, if it was; so many notices came by then."""
    (channel,) = monitor._channels
    end = time.monotonic() + 10
    while channel.busy and channel._reports.empty() and time.monotonic() < end:
        time.sleep(0.01)
    assert len(hook.got) == count


class Unwritable(DuckdbStore):
    """A store in which no note can be taken while it is told so."""

    broken = False

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        super().take_note(kind, notes)


def test_a_store_that_cannot_be_written_for_a_while_has_nothing_told_again(path: Path, hook: Webhook) -> None:
    desk = Desk(path, hook.url)
    desk.world.store.close()
    desk.world.store = store = Unwritable(path, clock=lambda: desk.world.now)
    desk.world.play(2, BOTH_GONE)
    monitor = Monitor(store, desk.settings)
    at = desk.world.now + timedelta(seconds=40)
    monitor.look(at, at)
    sent(hook, monitor, 1)
    store.broken = True
    with pytest.raises(StoreError):
        monitor.look(at, at)
    store.broken = False
    states = monitor.look(at, at)
    assert {said for state in states.values() for said in state.notified.values()} == {"firing"}
    assert remembered(store) == states
    sent(hook, monitor, 1)

    store.broken = True
    with pytest.raises(StoreError):
        monitor.look(at + BUCKET, at + BUCKET)  # what is new is judged again
    with pytest.raises(StoreError):
        Monitor(store, desk.settings).look(at + BUCKET, at + BUCKET)
    store.broken = False
    monitor.close(at, wait=10)
    desk.look()
    assert len(hook.got) == 1


def test_an_end_lets_go_of_its_channels_even_where_the_store_cannot_be_written(path: Path, hook: Webhook) -> None:
    desk = Desk(path, hook.url)
    desk.world.store.close()
    desk.world.store = store = Unwritable(path, clock=lambda: desk.world.now)
    desk.world.play(2, BOTH_GONE)
    monitor = Monitor(store, desk.settings)
    at = desk.world.now + timedelta(seconds=40)
    before = set(threading.enumerate())
    monitor.look(at, at)
    (thread,) = (one for one in threading.enumerate() if one.name == "alerts" and one not in before)
    store.broken = True
    with pytest.raises(StoreError):
        monitor.close(at, wait=10)
    thread.join(5)
    assert not thread.is_alive()
    store.broken = False
    monitor.close(at)
    assert all(state.notified for state in remembered(store).values()), "an end that is tried again writes it"


def test_an_end_waits_once_for_all_channels(path: Path, hook: Webhook) -> None:
    hook.status = None
    with webhook(status=None) as second, webhook(status=None) as third:
        desk = Desk(path, *(one.url.replace("rto=0.5", "rto=9") for one in (hook, second, third)))
        desk.world.play(2, BOTH_GONE)
        monitor = Monitor(desk.world.store, desk.settings)
        at = desk.world.now + timedelta(seconds=40)
        monitor.look(at, at)
        begun = time.monotonic()
        monitor.close(at, wait=0.6)
        assert 0.5 < time.monotonic() - begun < 1.5
        for one in (hook, second, third):
            one.let_go.set()


def test_what_fires_again_within_the_cooldown_is_not_told_again(path: Path, hook: Webhook) -> None:
    desk = Desk(path, hook.url, cooldown=timedelta(hours=36))
    for _ in range(2):
        desk.play(2, BOTH_GONE)
        desk.play(2)
    assert [one["title"] for one in hook.got] == ["AdvertiseX: 2 firing", "AdvertiseX: 2 resolved"]
    desk.play(10, BOTH_GONE)  # and goes on when it has passed
    assert [one["title"] for one in hook.got[2:]] == ["AdvertiseX: 2 firing"]


def test_nothing_is_judged_beyond_what_is_processed(path: Path) -> None:
    desk = Desk(path)
    desk.play(1)
    processed = desk.world.now
    later = processed + 4 * BUCKET
    monitor = Monitor(desk.world.store, desk.settings)
    behind = monitor.look(later, processed)
    assert [key.rule for key in behind] == ["behind"], "messages wait: that nothing is stored says nothing"
    found = monitor.look(later + BUCKET, later + BUCKET)
    assert {key.rule for key in found} == set(RULES), "nothing waits: nothing came"
    assert {state.status for state in found.values()} == {"firing"}


def test_it_is_told_that_processing_is_behind_and_that_it_has_caught_up(path: Path, hook: Webhook) -> None:
    desk = Desk(path, hook.url)
    monitor = Monitor(desk.world.store, desk.settings)
    processed = desk.world.now
    for after in range(1, 4):  # looks more often than a bucket is long say no more
        for second in (50, 55):
            at = processed + after * BUCKET + timedelta(seconds=second)
            monitor.look(at, processed)
            monitor.close(at, wait=10)
            monitor = Monitor(desk.world.store, desk.settings)
    (notified,) = hook.got
    assert notified["message"].startswith(
        "critical: processing is behind the log: 360.8 min, allowed up to 15.0 min, since"
    )

    desk.play(5)  # what waited is processed
    desk.look()
    assert "resolved: processing is behind the log" in hook.got[-1]["message"]


def test_reached_is_now_unless_messages_wait(tmp_path: Path) -> None:
    topic = FEEDS["bids"].topic
    now = datetime(2100, 1, 1)
    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "store.duckdb") as store:
        assert reached(log, store, [topic], now) == now
        log.append(topic, [b"{}"])
        log.append(topic, [b"[]"])
        first, second = (log.read(topic, 0, offset, 1) for offset in (0, 1))
        assert reached(log, store, [topic], now) == moment(first)
        assert reached(log, store, ["others"], now) == now
        for batch in (first, second):
            assert reached(log, store, [topic], now) == moment(batch)
            span = Span(topic, 0, batch.offsets[0], batch.offsets[0] + 1)
            again = Batch(span, batch.offsets, batch.payloads, batch.ingested_at)
            store.commit(process(again, FEEDS["bids"], Policy(), Catalogue()))
        assert reached(log, store, [topic], now) == now


def moment(batch: Batch) -> datetime:
    return datetime(1970, 1, 1) + timedelta(microseconds=batch.ingested_at[0])
