"""Retention of an event store: old periods are gone for good, and the ledger still matches the contents."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from advertisex.errors import LedgerMoved, StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog
from advertisex.model import Counts
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import Processing, process_log
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore, Extent, Range
from advertisex.stores.retention import removed_before
from advertisex.testing import ManualClock, memory_log
from advertisex.testing.contracts.store_erasure import check, total
from advertisex.testing.contracts.store_fixtures import (
    ALL,
    INGESTED,
    OpenStore,
    StoreFixtures,
    events,
    message_of,
    outcome_of,
)

FEBRUARY, MARCH = datetime(2026, 2, 1), datetime(2026, 3, 1)


class StoreRetention(StoreFixtures):
    """The contract of `EventStore.drop_before`, and how processing uses it."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time at which messages are appended to the log and processed; it starts in January."""
        return ManualClock(datetime(2026, 1, 20))

    @pytest.fixture
    def timed_log(self, clock: ManualClock) -> Iterator[EventLog]:
        """A log in memory."""
        with memory_log(clock=clock.now) as log:
            yield log

    def test_a_store_that_never_dropped_anything_keeps_everything(self, store: EventStore) -> None:
        assert store.kept_since() is None

    def test_whole_periods_are_dropped_and_counted(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", click("2026-01-31T23:59:59.999999Z"), click("2026-02-01"), b"x"))
        store.commit(outcome_of("bids", {"timestamp": "2026-01-05T10:00:00Z"}))

        removed = store.drop_before(FEBRUARY)

        assert (removed.removed, removed.removed_rejects) == (2, 0)
        assert store.kept_since() == FEBRUARY
        assert store.extent("clicks", Range()) == Extent(1, FEBRUARY, FEBRUARY)
        assert store.extent("bids", Range()) == Extent()
        assert events(store, "clicks")["event_time"].to_list() == [FEBRUARY]
        assert total(store) == Counts(read=4, stored=3, rejected=1, removed=2)
        assert store.commits()["removed"].to_list() == [0, 1, 0, 1]
        check(store)

    def test_rejects_are_removed_by_the_time_of_their_ingestion(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", click("2026-02-03"), b"x", click("2026-02-03") | {"user_agent": "A"}))
        after = datetime.fromtimestamp(INGESTED / 1e6 + 1, UTC).replace(tzinfo=None)

        store.drop_before(store.period_start(after))  # the start of a period before them
        assert store.rejects(ALL).height == 2
        later = store.period_start(after + timedelta(days=60))
        store.drop_before(later)

        assert store.rejects(ALL).is_empty()
        assert total(store) == Counts(
            read=3, stored=1, duplicate=1, rejected=1, conflict=1, removed=1, removed_rejects=2
        )
        check(store)

    def test_the_floor_never_moves_back(self, store: EventStore) -> None:
        store.drop_before(MARCH)

        assert store.drop_before(FEBRUARY) == Counts()
        assert store.drop_before(MARCH) == Counts()
        assert store.kept_since() == MARCH

    def test_an_outcome_from_before_the_floor_is_not_committed_after_it(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", click("2026-01-05")))
        late = outcome_of("clicks", click("2026-01-06"), start=1)
        elsewhere = outcome_of("impressions", {"timestamp": "2026-01-06T00:00:00Z"})
        store.drop_before(FEBRUARY)

        for outcome in (late, elsewhere):
            with pytest.raises(LedgerMoved):
                store.commit(outcome)

        assert total(store) == Counts(read=1, stored=1, removed=1)
        check(store)

    def test_a_late_event_of_a_dropped_period_is_filtered_and_kept_whole(
        self, timed_log: EventLog, store: EventStore, clock: ManualClock
    ) -> None:
        append(timed_log, click("2026-01-05"))
        run(timed_log, store, clock)
        clock.advance(timedelta(days=60))  # March 21st
        append(timed_log, click("2026-01-05"), click("2026-01-06"), click("2026-03-20"))

        run(timed_log, store, clock)

        assert total(store) == Counts(read=4, stored=2, filtered=2, removed=1)
        rejects = store.rejects(ALL)
        assert rejects.select("offset", "kind", "reason").rows() == [
            (1, "filtered", "expired"),
            (2, "filtered", "expired"),
        ]
        check(store)
        clock.advance(timedelta(days=60))
        run(timed_log, store, clock)
        assert total(store) == Counts(read=4, stored=2, filtered=2, removed=2, removed_rejects=2)
        check(store)

    def test_a_message_that_is_processed_long_after_its_ingestion_leaves_no_reject(
        self, timed_log: EventLog, store: EventStore, clock: ManualClock
    ) -> None:
        append(timed_log, click("2026-01-05"), click("yesterday"))
        clock.advance(timedelta(days=60))
        append(timed_log, click("2026-03-20"))

        run(timed_log, store, clock)

        assert store.rejects(ALL).is_empty()
        assert total(store) == Counts(read=3, stored=1, filtered=1, rejected=1, removed_rejects=2)
        check(store)

    def test_events_are_dropped_while_a_run_continues(
        self, timed_log: EventLog, store: EventStore, clock: ManualClock
    ) -> None:
        append(timed_log, click("2026-01-05"), click("2026-01-06"), click("2026-01-07"))
        found: list[Counts] = []

        process_log(
            timed_log,
            store,
            Processing(FEEDS, batch_size=1, keep_days=30),
            on_commit=lambda committed: clock.advance(timedelta(days=60)),
            on_removed=found.append,
            clock=clock.now,
        )

        assert total(store).balanced
        assert sum(counts.removed for counts in found) == total(store).stored == total(store).removed
        assert events(store, "clicks").is_empty()
        check(store)

    def test_a_clock_that_is_fast_drops_nothing_that_is_to_be_kept(self, store: EventStore) -> None:
        now = utc_now()
        fast, keeping = now + timedelta(days=400), Processing(FEEDS, keep_days=40)
        with memory_log() as log, capture_logs() as lines:
            append(log, click(recent(now, 2)))
            process_log(log, store, keeping, clock=lambda: fast)
            append(log, click(recent(now, 1)), click("yesterday"))
            process_log(log, store, keeping, clock=lambda: fast)
            process_log(log, store, keeping)

        warned = [line["log_level"] for line in lines if "the clock is more than a day" in line["event"]]
        assert warned == ["warning"] * 2
        assert total(store) == Counts(read=3, stored=2, rejected=1)
        assert store.kept_since() == store.period_start(now + timedelta(days=1 - 40))
        assert removed_before(store) is None
        check(store)

    def test_nothing_is_processed_into_a_store_that_keeps_nothing_before_the_future(self, store: EventStore) -> None:
        store.drop_before(store.period_start(utc_now() + timedelta(days=60)))
        with memory_log() as log:
            for keep_days in (None, 30):
                with pytest.raises(StoreError, match="which is in the future") as caught:
                    process_log(log, store, Processing(FEEDS, keep_days=keep_days))
                assert "advertisex rebuild" in caught.value.hint

        assert store.ledger() == []

    def test_the_first_messages_of_an_empty_log_are_treated_like_later_ones(
        self, timed_log: EventLog, store: EventStore, clock: ManualClock
    ) -> None:
        run(timed_log, store, clock)
        assert store.kept_since() is None  # nothing tells whether the clock is right
        append(timed_log, click("2020-01-05"), click("2026-01-19"))
        run(timed_log, store, clock)

        assert total(store) == Counts(read=2, stored=1, filtered=1)
        assert removed_before(store) == store.kept_since()

    def test_a_floor_below_all_data_has_removed_nothing(
        self, timed_log: EventLog, store: EventStore, clock: ManualClock
    ) -> None:
        append(timed_log, click("2026-01-19"))
        run(timed_log, store, clock)

        assert store.kept_since() is not None
        assert removed_before(store) is None
        clock.advance(timedelta(days=75))  # April 5th
        append(timed_log, click("2026-04-04"))
        run(timed_log, store, clock)
        assert removed_before(store) == store.kept_since()

    def test_the_user_of_a_dropped_event_can_be_erased(
        self, timed_log: EventLog, store: EventStore, clock: ManualClock
    ) -> None:
        append(timed_log, click("2026-01-05"), click("2026-01-19"))
        run(timed_log, store, clock)
        clock.advance(timedelta(days=45))  # March 6th
        append(timed_log, click("2026-03-05"))
        run(timed_log, store, clock)

        erase("u1", timed_log, store, FEEDS)

        assert events(store, "clicks").is_empty()
        assert total(store) == Counts(read=3, stored=2, erased=1, removed=2)
        check(store)

    def test_the_floor_is_durable(self, reopen_store: OpenStore) -> None:
        with reopen_store() as store:
            store.commit(outcome_of("clicks", click("2026-01-05")))
            store.drop_before(FEBRUARY)
        with reopen_store() as store:
            assert store.kept_since() == FEBRUARY
            store.commit(replace(outcome_of("clicks", click("2026-02-05"), start=1), kept_since=FEBRUARY))
            check(store)
        with reopen_store(read_only=True) as store:
            assert store.kept_since() == FEBRUARY


def recent(now: datetime, days: int) -> str:
    """A time some days ago."""
    return f"{now - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def click(time: str) -> dict[str, Any]:
    """A click; a date alone means its midnight."""
    return {"timestamp": f"{time}T00:00:00Z" if len(time) == 10 else time}


def append(log: EventLog, *messages: dict[str, Any]) -> None:
    log.append(FEEDS["clicks"].topic, [message_of("clicks", message) for message in messages])


def run(log: EventLog, store: EventStore, clock: ManualClock) -> None:
    process_log(log, store, Processing(FEEDS, keep_days=30), clock=clock.now)
