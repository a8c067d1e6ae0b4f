"""Erasures from an event store: the user is gone, and the ledger balances."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from advertisex.errors import LedgerMoved
from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog
from advertisex.model import COUNT_NAMES, Counts
from advertisex.privacy.erasure import erase
from advertisex.privacy.record import ErasureRun, runs_in
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.stores.contract import ERASURES, EventStore
from advertisex.testing import memory_log
from advertisex.testing.contracts.store_fixtures import ALL, NewStore, StoreFixtures, events, message_of, outcome_of

POLICY = Policy(blocked_sites=frozenset({"blocked.example.com"}))


class StoreErasure(StoreFixtures):
    """The contract of `EventStore.suppress` and `EventStore.remove`, with a log in memory."""

    @pytest.fixture
    def log(self) -> Iterator[EventLog]:
        """A log in memory."""
        with memory_log() as log:
            yield log

    @pytest.mark.parametrize("committed", [0, 1])
    def test_an_outcome_from_before_an_erasure_is_not_committed_after_it(
        self, log: EventLog, store: EventStore, committed: int
    ) -> None:
        for number in range(committed):
            append(log, "clicks", click("u8", number))
            store.commit(outcome_of("clicks", click("u8", number), start=number))
        late = outcome_of("clicks", click("u8", 3), click("u1", 3), start=committed)
        erase("u1", log, store, FEEDS)

        with pytest.raises(LedgerMoved):
            store.commit(late)

        assert total(store) == Counts(read=committed, stored=committed)
        check(store)

    def test_a_partition_that_starts_after_an_erasure_rejects_outcomes_from_before_it(
        self, log: EventLog, store: EventStore
    ) -> None:
        late = outcome_of("clicks", click("u1", 3), start=1)
        erase("u1", log, store, FEEDS)
        store.commit(replace(outcome_of("clicks", click("u8", 0)), erasures=1))

        with pytest.raises(LedgerMoved):
            store.commit(late)

        assert total(store) == Counts(read=1, stored=1)
        check(store)

    def test_a_run_notices_an_erasure_between_two_of_its_batches(self, log: EventLog, store: EventStore) -> None:
        users = ["u8", "u8", "u8", "u1", "u1", "u8"]
        append(log, "clicks", *(click(user, second) for second, user in enumerate(users)))
        erased: list[ErasureRun] = []

        def on_commit(committed: Committed) -> None:
            if not erased:
                erased.append(erase("u1", log, store, FEEDS))

        counts = process_log(log, store, Processing(FEEDS, batch_size=2), on_commit=on_commit)

        assert counts == Counts(read=6, stored=4, erased=2)
        assert erased[0].removed[1].messages == 2
        check(store)

    def test_an_erasure_is_recorded_with_what_it_removed(self, log: EventLog, store: EventStore) -> None:
        append(log, "clicks", click("u1", 0), click("u1", 0), click("u1", 1), click("u8", 0))
        filtered, rejected = {"website": "blocked.example.com"}, {"timestamp": "yesterday"}
        append(log, "impressions", filtered, rejected)  # of user u1
        process_all(log, store)

        done = erase("u1", log, store, FEEDS)

        impressions, clicks, bids = done.removed
        assert (clicks.events, clicks.filtered, clicks.rejected, clicks.messages) == (2, 0, 0, 3)
        assert (impressions.events, impressions.filtered, impressions.rejected, impressions.messages) == (0, 1, 1, 2)
        assert not bids.anything
        assert total(store) == Counts(read=6, stored=1, duplicate=1, erased=4)
        assert events(store, "clicks")["user_id"].to_list() == ["u8"]
        again = erase("u1", log, store, FEEDS)
        assert not any(removed.anything for removed in again.removed)
        runs = runs_in(store.notes(ERASURES))
        assert [one.id for one in runs] == [done.id, again.id]
        assert all(one.done_at for one in runs)
        check(store)

    def test_the_conflicts_of_an_erased_user_are_removed(self, log: EventLog, store: EventStore) -> None:
        conflict = click("u1", 0) | {"user_agent": "B"}
        append(log, "clicks", click("u1", 0) | {"user_agent": "A"}, conflict, conflict, click("u1", 0), click("u8", 0))
        append(log, "clicks", click("u8", 0) | {"user_agent": "C"})  # the stored event has no user agent
        process_all(log, store)
        assert total(store) == Counts(read=6, stored=2, duplicate=4, conflict=3)

        erase("u1", log, store, FEEDS)

        assert total(store) == Counts(read=6, stored=1, duplicate=2, erased=3, conflict=1)
        assert store.rejects(ALL)["offset"].to_list() == [5]
        check(store)
        erase("u8", log, store, FEEDS)
        assert total(store) == Counts(read=6, duplicate=1, erased=5)
        assert store.rejects(ALL).is_empty()
        check(store)

    def test_the_history_records_what_an_erasure_removed_and_when(self, log: EventLog, store: EventStore) -> None:
        append(log, "clicks", click("u1", 0), click("u1", 1), click("u8", 0))
        process_all(log, store)
        before = store.settled()
        erase("u1", log, store, FEEDS)
        append(log, "clicks", click("u8", 1))
        process_all(log, store)

        commits = store.commits()

        assert commits.select("feed", "start", "end", "read", "stored", "erased").rows() == [
            ("clicks", 0, 3, 3, 3, 0),
            ("clicks", 3, 3, 0, -2, 2),
            ("clicks", 3, 4, 1, 1, 0),
        ]
        times = commits["committed_at"].to_list()
        assert before == times[0] < times[1] < times[2] == store.settled()

    def test_commits_continue_after_an_erasure(self, log: EventLog, store: EventStore) -> None:
        erase("u9", log, store, FEEDS)
        for number in range(2):
            append(log, "clicks", click("u8", number))
            process_all(log, store)

        assert total(store) == Counts(read=2, stored=2)

    def test_a_new_store_counts_the_erased_messages_of_a_log_as_erased(
        self, log: EventLog, store: EventStore, new_store: NewStore
    ) -> None:
        append(log, "clicks", click("u1", 0), click("u8", 0))
        erase("u1", log, store, FEEDS)

        with new_store()() as rebuilt:
            process_all(log, rebuilt)

            assert total(rebuilt) == Counts(read=2, stored=1, erased=1)


def click(user: str, second: int) -> dict[str, Any]:
    """A click of a user; the second makes it unique."""
    return {"user_id": user, "timestamp": f"2026-01-05T10:00:0{second}Z"}


def append(log: EventLog, feed: str, *messages: dict[str, Any]) -> None:
    log.append(FEEDS[feed].topic, [message_of(feed, message) for message in messages])


def process_all(log: EventLog, store: EventStore) -> None:
    process_log(log, store, Processing(FEEDS, POLICY))


def total(store: EventStore) -> Counts:
    return sum((row.counts for row in store.ledger()), Counts())


def check(store: EventStore) -> None:
    """Check that the ledger balances, equals the sum of its history, and matches the store."""
    commits = store.commits()
    for row in store.ledger():
        assert row.counts.balanced
        own = commits.filter((pl.col("topic") == row.topic) & (pl.col("partition") == row.partition))
        assert Counts(**own.select(pl.sum(*COUNT_NAMES)).row(0, named=True)) == row.counts
    assert [finding for finding in store.inspect() if not finding.good] == []
