"""Commits of an event store: events, rejects and the ledger together, or nothing."""

from dataclasses import replace

import pytest

from advertisex.errors import LedgerMoved, StoreError, StoreMissing
from advertisex.feeds import FEEDS
from advertisex.model import EVENT_COLUMNS, Counts, LedgerRow, Outcome, Partition
from advertisex.stores.contract import EventStore
from advertisex.testing.contracts.store_fixtures import (
    ALL,
    EVERYTHING,
    OpenStore,
    StoreFixtures,
    events,
    everything,
    outcome_of,
)


class StoreCommits(StoreFixtures):
    """The contract of `EventStore.commit` and of the ledger."""

    def test_events_rejects_and_the_ledger_are_stored_together(self, store: EventStore) -> None:
        outcome = outcome_of("impressions", {"user_id": "a"}, b"not json", {"user_id": "-5"}, {"user_id": "b"})

        counts = store.commit(outcome)

        assert counts == Counts(read=4, stored=2, filtered=1, rejected=1)
        assert store.ledger() == [LedgerRow("ad_impressions", 0, 4, counts)]
        assert store.positions() == {Partition("ad_impressions", 0): 4}
        stored = events(store, "impressions")
        assert stored["user_id"].to_list() == ["a", "b"]
        assert stored["offset"].to_list() == [0, 3]
        rejects = store.rejects(ALL)
        assert rejects["offset"].to_list() == [1, 2]
        assert rejects["kind"].to_list() == ["rejected", "filtered"]
        assert rejects["payload"].to_list()[0] == b"not json"

    @pytest.mark.parametrize("feed", FEEDS)
    def test_an_event_is_read_back_as_it_was_committed(self, store: EventStore, feed: str) -> None:
        outcome = outcome_of(
            feed, {"user_id": "é\U0001f642"}, {"user_id": "b", "timestamp": "2026-01-05T10:00:00.000001Z"}
        )
        store.commit(outcome)

        stored = events(store, feed)

        columns = [*EVENT_COLUMNS, *FEEDS[feed].columns]
        assert stored.select(columns).rows() == outcome.events.select(columns).rows()
        assert dict(stored.select(columns).schema) == EVENT_COLUMNS | FEEDS[feed].columns
        assert set(stored["topic"]) == {FEEDS[feed].topic}
        assert set(stored["partition"]) == {0}

    def test_a_new_store_is_empty(self, store: EventStore) -> None:
        assert store.positions() == {}
        assert store.ledger() == []
        assert store.rejects(ALL).is_empty()
        assert store.reject_counts(ALL).is_empty()
        assert store.user_totals(EVERYTHING, None).is_empty()
        assert events(store, "bids").is_empty()

    def test_the_ledger_adds_up_over_commits_and_partitions(self, store: EventStore) -> None:
        store.commit(outcome_of("impressions", {"user_id": "a"}, b"[]"))
        store.commit(outcome_of("bids", {}, partition=3))
        store.commit(outcome_of("bids", {}, {"user_id": "b"}, partition=1))
        store.commit(outcome_of("impressions", {"user_id": "b"}, {"user_id": "b"}, {"user_id": "a"}, start=2))

        assert store.ledger() == [
            LedgerRow("ad_impressions", 0, 5, Counts(read=5, stored=2, duplicate=2, rejected=1)),
            LedgerRow("avro_data_topic", 1, 2, Counts(read=2, stored=1, duplicate=1)),
            LedgerRow("avro_data_topic", 3, 1, Counts(read=1, stored=1)),
        ]
        assert all(row.counts.balanced for row in store.ledger())

    def test_a_span_without_messages_moves_the_ledger(self, store: EventStore) -> None:
        """Retention removed all messages of the span before they were read."""
        outcome = outcome_of("impressions")
        lost = replace(outcome, span=replace(outcome.span, end=7), lost=7)

        assert store.commit(lost) == Counts(lost=7)
        assert store.ledger() == [LedgerRow("ad_impressions", 0, 7, Counts(lost=7))]

    def test_lost_offsets_are_counted_once_and_outside_the_balance(self, reopen_store: OpenStore) -> None:
        first = replace(outcome_of("clicks", {}, b"x"), lost=0)
        later = outcome_of("clicks", {"user_id": "b"}, start=5)
        gap = replace(later, span=replace(later.span, start=2), lost=3)
        with reopen_store() as store:
            store.commit(first)
            assert store.commit(gap) == Counts(read=1, stored=1, lost=3)
            with pytest.raises(LedgerMoved):
                store.commit(gap)
        with reopen_store(read_only=True) as store:
            (row,) = store.ledger()
            assert (row.next_offset, row.counts) == (6, Counts(read=3, stored=2, rejected=1, lost=3))
            assert row.counts.balanced
            assert store.commits()[["start", "end", "read", "lost"]].rows() == [(0, 2, 2, 0), (2, 6, 1, 3)]

    def test_committed_data_survives_reopening(self, reopen_store: OpenStore) -> None:
        with reopen_store() as store:
            store.commit(outcome_of("clicks", {}, b"x"))
            before = everything(store)
        with reopen_store() as store:
            assert everything(store) == before
        with reopen_store(read_only=True) as store:
            assert everything(store) == before

    def test_a_store_can_be_closed_twice(self, open_store: OpenStore) -> None:
        store = open_store()
        store.close()
        store.close()

    @pytest.mark.parametrize("start", [0, 1, 3, 100])
    def test_a_span_that_does_not_start_at_the_ledger_writes_nothing(self, store: EventStore, start: int) -> None:
        store.commit(outcome_of("impressions", {"user_id": "a"}, b"x"))
        before = everything(store)

        with pytest.raises(LedgerMoved) as caught:
            store.commit(outcome_of("impressions", {"user_id": "b"}, b"y", start=start))

        assert caught.value.where == f"ad_impressions/0/{start}"
        assert caught.value.hint
        assert everything(store) == before
        assert store.commit(outcome_of("impressions", {"user_id": "b"}, b"y", start=2)).stored == 1

    def test_a_span_of_another_log_writes_nothing(self, reopen_store: OpenStore) -> None:
        with reopen_store() as store:
            store.commit(of_log(outcome_of("clicks", {"user_id": "a"}, b"x"), "old"))
            store.commit(of_log(outcome_of("clicks", {"user_id": "a"}, partition=1), "other topic's"))
        with reopen_store() as store:
            before = everything(store)
            assert [row.log for row in store.ledger()] == ["old", "other topic's"]

            with pytest.raises(StoreError, match="another log") as caught:
                store.commit(of_log(outcome_of("clicks", {"user_id": "b"}, b"y", start=2), "new"))

            assert not isinstance(caught.value, LedgerMoved)
            assert everything(store) == before
            assert store.commit(of_log(outcome_of("clicks", {"user_id": "b"}, start=2), "old")).stored == 1

    def test_a_ledger_without_a_log_takes_that_of_the_first_span_that_has_one(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", {"user_id": "a"}))
        store.commit(of_log(outcome_of("clicks", {"user_id": "b"}, start=1), "first"))
        store.commit(outcome_of("clicks", {"user_id": "c"}, start=2))
        assert [row.log for row in store.ledger()] == ["first"]
        with pytest.raises(StoreError, match="another log"):
            store.commit(of_log(outcome_of("clicks", {"user_id": "d"}, start=3), "second"))

    def test_the_ledger_keeps_the_append_of_the_last_batch(self, reopen_store: OpenStore) -> None:
        for start, append_id in enumerate(("0-1@5", "1-2@6", "", "3-4@8")):
            outcome = outcome_of("clicks", {"user_id": f"{start}"}, start=start)
            with reopen_store() as store:
                store.commit(replace(outcome, messages=replace(outcome.messages, append_id=append_id)))
                assert [row.append_id for row in store.ledger()] == [append_id]
        with reopen_store(read_only=True) as store:
            assert [row.append_id for row in store.ledger()] == ["3-4@8"]

    def test_a_store_that_does_not_exist_cannot_be_read(self, open_store: OpenStore) -> None:
        with pytest.raises(StoreMissing):
            open_store(read_only=True)


def of_log(outcome: Outcome, log: str) -> Outcome:
    return replace(outcome, span=replace(outcome.span, log=log))
