"""Retention of the log against the ledger: what is not processed stays, and the ledger balances over what was read."""

import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog, Limits
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Counts, Partition
from advertisex.processing.lag import lags
from advertisex.processing.log_retention import LogRemoval, LogRetention, limits_of, processed_in
from advertisex.processing.runner import Processing, process_log
from advertisex.processing.store_retention import StoreRetention
from advertisex.settings.model import LogSettings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore
from advertisex.testing import ManualClock, memory_log, memory_store
from advertisex.times import micros_of

TOPIC = FEEDS["impressions"].topic
OF = Partition(TOPIC, 0)
PROCESSING = Processing(FEEDS, batch_size=7)
START = datetime(2026, 3, 1)


def impression(number: int, size: int = 0) -> bytes:
    return (
        b'{"user_id":"u%d","timestamp":"2026-01-05T10:00:00Z","website":"a.example.com","creative_id":"c","pad":"%s"}'
        % (number, b"x" * size)
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


def retention(log: EventLog, store: EventStore, clock: ManualClock, **limits: int) -> LogRetention:
    return LogRetention(log, store, LogSettings.model_validate(limits), clock.now)


def test_processed_messages_are_removed_once_they_are_older_than_the_days(
    log: EventLog, store: EventStore, clock: ManualClock
) -> None:
    keep = retention(log, store, clock, keep_days=30)
    for day in range(3):
        log.append(TOPIC, [impression(day), b"{"])
        clock.advance(timedelta(days=1))
    process_log(log, store, PROCESSING)

    clock.advance(timedelta(days=28))
    assert keep.apply(Event()) == LogRemoval(2, overdue=False)
    assert log.start_offsets()[OF] == 2
    clock.advance(timedelta(days=365))
    log.append(TOPIC, [b"{"])
    process_log(log, store, PROCESSING)
    assert keep.apply(Event()) == LogRemoval(4, overdue=False)
    assert (log.start_offsets()[OF], log.end_offsets()[OF]) == (6, 7)
    assert lags(log, store, [TOPIC]) == {OF: 0}


def test_a_clock_that_is_ahead_removes_nothing_that_is_to_be_kept() -> None:
    clock = ManualClock(utc_now())
    with memory_log() as log, memory_store() as store:
        keep = retention(log, store, clock, keep_days=30)
        assert keep.apply(Event()) == LogRemoval(0, overdue=False)
        log.append(TOPIC, [impression(1)])
        process_log(log, store, PROCESSING)
        clock.advance(timedelta(days=365))
        assert keep.apply(Event()) == LogRemoval(0, overdue=False)
        assert log.start_offsets()[OF] == 0


def test_old_events_are_dropped_after_the_clock_was_set_back(store: EventStore, clock: ManualClock) -> None:
    asked: list[datetime] = []

    def counted_from(now: datetime) -> datetime:
        asked.append(now)
        return now

    keep = StoreRetention(store, 30, clock.now, counted_from, lambda removed: None)
    for step in (timedelta(0), timedelta(minutes=59), timedelta(days=-9), timedelta(minutes=59), timedelta(hours=1)):
        clock.advance(step)
        keep.drop_if_due()

    set_back = timedelta(days=-9, minutes=59)
    assert [time - START for time in asked] == [timedelta(0), set_back, set_back + timedelta(minutes=119)]


def test_unprocessed_messages_are_kept_and_reported_once(log: EventLog, store: EventStore, clock: ManualClock) -> None:
    keep = retention(log, store, clock, keep_days=1, keep_size=1_000_000)
    log.append(TOPIC, [impression(1)])
    clock.advance(timedelta(days=3))
    with capture_logs() as lines:
        assert keep.apply(Event()) == LogRemoval(0, overdue=True)
        assert lines == []
        assert keep.apply(Event()) == keep.apply(Event()) == LogRemoval(0, overdue=True)
    assert [line["event"] for line in lines] == [
        "the log is beyond log.keep_days or log.keep_size: processing is behind, nothing is removed"
    ]
    process_log(log, store, PROCESSING)
    assert keep.apply(Event()) == LogRemoval(1, overdue=False)
    for number in range(3):
        log.append(TOPIC, [impression(number, 500_000)])
    assert keep.apply(Event()) == LogRemoval(0, overdue=True)
    process_log(log, store, PROCESSING)
    assert keep.apply(Event()).messages > 0
    assert not log.overdue(processed_in(store, log), limits_of(LogSettings(), clock.now()))


def test_the_ledger_of_another_log_removes_nothing(log: EventLog, store: EventStore, clock: ManualClock) -> None:
    log.append(TOPIC, [impression(1)])
    process_log(log, store, PROCESSING)
    with memory_log(clock=clock.now) as other:
        other.append(TOPIC, [impression(2)])
        clock.advance(timedelta(days=9))
        assert processed_in(store, other) == {}
        assert retention(other, store, clock, keep_days=1).apply(Event()) == LogRemoval(0, overdue=True)


def test_only_an_older_copy_of_the_log_that_was_appended_to_removes_nothing(
    tmp_path: Path, store: EventStore, clock: ManualClock
) -> None:
    def opened(name: str) -> SqliteLog:
        return SqliteLog(tmp_path / name, clock=lambda: micros_of(clock.now()))

    def append(log: SqliteLog, *numbers: int) -> None:
        clock.advance(timedelta(hours=1))
        log.append(TOPIC, [impression(number) for number in numbers])

    with opened("log.db") as log:
        append(log, 0, 1)
        shutil.copy(tmp_path / "log.db", tmp_path / "copy.db")
        shutil.copy(tmp_path / "log.db-wal", tmp_path / "copy.db-wal")
        append(log, 2, 3)
        process_log(log, store, PROCESSING)
        with opened("copy.db") as copy:
            append(copy, 4, 5)
            clock.advance(timedelta(days=9))
            assert processed_in(store, copy) == {}
            assert retention(copy, store, clock, keep_days=1).apply(Event()) == LogRemoval(0, overdue=True)
            with pytest.raises(StoreError, match="older copy") as caught:
                process_log(copy, store, PROCESSING)
            assert caught.value.where == f"{TOPIC}/0, up to offset 3"
        log.erase(TOPIC, 0, [3])
        assert processed_in(store, log) == {OF: 4}
        assert retention(log, store, clock, keep_days=1).apply(Event()) == LogRemoval(4, overdue=False)
        assert processed_in(store, log) == {OF: 4}
        append(log, 6)
        assert process_log(log, store, PROCESSING).read == 1


def test_nothing_is_removed_once_the_run_stops(log: EventLog, store: EventStore, clock: ManualClock) -> None:
    log.append(TOPIC, [impression(1)])
    process_log(log, store, PROCESSING)
    clock.advance(timedelta(days=9))
    stop = Event()
    stop.set()
    assert retention(log, store, clock, keep_days=1).apply(stop).messages == 0


def test_the_ledger_balances_over_every_message_whatever_was_removed(
    log: EventLog, store: EventStore, clock: ManualClock
) -> None:
    chance, total = random.Random(20261129), 0
    for _ in range(40):
        count = chance.randrange(6)
        log.append(TOPIC, [impression(chance.randrange(50)) for _ in range(count)])
        total += count
        clock.advance(timedelta(hours=chance.randrange(12)))
        if chance.random() < 0.5:
            process_log(log, store, PROCESSING)
        retention(log, store, clock, keep_days=1).apply(Event())
        assert log.start_offsets().get(OF, 0) <= processed_in(store, log).get(OF, 0)
    process_log(log, store, PROCESSING)

    (row,) = store.ledger()
    assert (row.counts.read, row.next_offset, row.counts.balanced) == (total, total, True)
    assert log.start_offsets()[OF] > 0


def test_a_new_store_starts_with_what_the_log_keeps(log: EventLog, store: EventStore) -> None:
    for number in range(4):
        log.append(TOPIC, [impression(number), b"{"])
    log.prune({OF: 4}, Limits(size=0))
    with capture_logs() as lines:
        process_log(log, store, PROCESSING)

    assert [(line["event"], line["count"]) for line in lines] == [
        ("messages lost: deleted by retention before they were read", 4)
    ]
    (row,) = store.ledger()
    assert (row.next_offset, row.counts) == (8, Counts(read=4, stored=2, rejected=2, lost=4))
    assert row.counts.balanced
    assert store.commits()["lost"].sum() == 4


def test_a_new_store_of_a_log_without_messages_records_that_they_are_lost(log: EventLog, store: EventStore) -> None:
    log.append(TOPIC, [impression(1), impression(2)])
    log.prune({OF: 2}, Limits(size=0))
    with capture_logs() as lines:
        process_log(log, store, PROCESSING)
        process_log(log, store, PROCESSING)

    assert [line["count"] for line in lines] == [2]
    (row,) = store.ledger()
    assert (row.next_offset, row.counts) == (2, Counts(lost=2))
