"""Retention of the store against what comes back: replays, conflicts and pseudonyms around the floor."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog
from advertisex.model import Counts, Position
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import Processing, process_log
from advertisex.rejects.replay import replay, replay_statuses
from advertisex.rejects.selection import Selection
from advertisex.stores.contract import EventStore, Range, RejectQuery
from advertisex.stores.retention import EXPIRED
from advertisex.testing import ManualClock
from advertisex.testing.contracts.store_erasure import check, total
from advertisex.testing.contracts.store_fixtures import ALL, message_of

TOPIC = FEEDS["clicks"].topic
KEY = b"a key of 16 bytes or more"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12))


def append(log: EventLog, *times: str, **fields: Any) -> None:
    log.append(TOPIC, [message_of("clicks", {"timestamp": time, **fields}) for time in times])


def run(log: EventLog, store: EventStore, clock: ManualClock, key: bytes = b"") -> None:
    """Process with a limit of 30 days: on March 1st, the floor is January 30th."""
    process_log(log, store, Processing(FEEDS, keep_days=30, pseudonym_key=key), clock=clock.now)
    check(store)


def test_a_replayed_event_from_before_the_floor_expires_again(
    log: EventLog, store: EventStore, clock: ManualClock
) -> None:
    append(log, "2026-02-28T10:00:00Z")
    run(log, store, clock)
    append(log, "2026-01-05T10:00:00Z")
    run(log, store, clock)

    assert replay(store, log, Selection(RejectQuery(reason=EXPIRED), FEEDS)).feeds == {"clicks": 1}
    run(log, store, clock)

    assert total(store) == Counts(read=3, stored=1, filtered=2)
    assert store.rejects(ALL).select("offset", "reason", "replayed_to").rows() == [
        (1, EXPIRED, f"{TOPIC}/0/2"),
        (2, EXPIRED, None),
    ]
    (status,) = replay_statuses(store, [f"{TOPIC}/0/2"]).values()
    assert status.reason == EXPIRED


def test_a_reject_from_before_the_floor_is_gone_and_cannot_be_replayed(
    log: EventLog, store: EventStore, clock: ManualClock
) -> None:
    append(log, "yesterday")
    run(log, store, clock)
    clock.advance(timedelta(days=40))
    append(log, "2026-04-09T10:00:00Z", "tomorrow")
    run(log, store, clock)

    assert total(store) == Counts(read=3, stored=1, rejected=2, removed_rejects=1)
    assert replay(store, log, Selection(RejectQuery(), FEEDS)).feeds == {"clicks": 1}
    assert store.rejects(RejectQuery(positions=[Position(TOPIC, 0, 0)])).is_empty()


def test_a_duplicate_conflicts_from_the_floor_on_and_expires_before_it(
    log: EventLog, store: EventStore, clock: ManualClock
) -> None:
    times = ("2026-01-29T23:59:59.999999Z", "2026-01-30T00:00:00Z")
    process_log(log_of(log, times), store, Processing(FEEDS), clock=clock.now)
    assert total(store).stored == 2
    append(log, *times, user_agent="another")
    run(log, store, clock)

    assert total(store) == Counts(read=4, stored=2, duplicate=1, filtered=1, conflict=1, removed=1)
    assert store.rejects(ALL).select("offset", "kind").rows() == [(2, "filtered"), (3, "conflict")]


def log_of(log: EventLog, times: tuple[str, ...]) -> EventLog:
    append(log, *times)
    return log


def test_expired_messages_of_a_pseudonymous_user_are_erased(
    log: EventLog, store: EventStore, clock: ManualClock
) -> None:
    append(log, "2026-01-05T10:00:00Z", "2026-02-28T10:00:00Z", user_id="gone")
    append(log, "2026-02-28T10:00:00Z", user_id="other")
    run(log, store, clock, KEY)
    assert total(store) == Counts(read=3, stored=2, filtered=1)

    erase("gone", log, store, FEEDS, pseudonym_key=KEY)

    assert store.rejects(ALL).is_empty()
    assert store.extent("clicks", Range()).events == 1
    assert total(store) == Counts(read=3, stored=1, erased=2)
    append(log, "2026-01-06T10:00:00Z", user_id="gone")
    run(log, store, clock, KEY)
    assert total(store) == Counts(read=4, stored=1, erased=3)


def test_expired_events_have_the_reason_that_the_store_looks_for(
    log: EventLog, store: EventStore, clock: ManualClock
) -> None:
    append(log, "2026-01-05T10:00:00Z")
    run(log, store, clock)

    assert store.rejects(RejectQuery(reason=EXPIRED)).height == 1
