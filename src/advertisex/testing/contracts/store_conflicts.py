"""Conflicts in an event store: duplicates that differ from the stored event."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.model import Counts
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.testing.contracts.store_fixtures import (
    ALL,
    EVERYTHING,
    NewStore,
    StoreFixtures,
    events,
    message_of,
    outcome_of,
)


class StoreConflicts(StoreFixtures):
    """How `EventStore.commit` counts and keeps conflicts."""

    def test_a_conflict_is_counted_as_a_duplicate_and_kept_whole(self, store: EventStore) -> None:
        store.commit(outcome_of("impressions", {"user_agent": "A", "cost": "1.5"}))
        conflict = {"user_agent": "B", "cost": "1.50", "app": "x"}

        counts = store.commit(outcome_of("impressions", {"user_id": "b"}, conflict, {"user_id": "-5"}, b"x", start=1))

        assert counts == Counts(read=4, stored=1, duplicate=1, filtered=1, rejected=1, conflict=1)
        kept = store.rejects(RejectQuery(kind="conflict"))
        assert kept["offset"].to_list() == [2]
        (reject,) = kept.select("feed", "stage", "reason", "payload", "ingested_at").iter_rows(named=True)
        assert (reject["feed"], reject["stage"], reject["reason"]) == ("impressions", "store", "conflicting_duplicate")
        assert reject["payload"] == message_of("impressions", conflict)
        (detail,) = kept["detail"]
        assert "user_agent: 'B' differs from the stored 'A'" in detail
        assert "app: 'x', but the stored event has none" in detail
        assert "cost" not in detail

    def test_the_stored_event_stays(self, store: EventStore) -> None:
        store.commit(outcome_of("bids", {"country": "DE"}))
        before = events(store, "bids").rows()
        store.commit(outcome_of("bids", {"country": "FR"}, start=1))
        assert events(store, "bids").rows() == before

    @pytest.mark.parametrize(
        ("stored", "duplicate", "conflicts"),
        [
            ({"user_agent": "A"}, {"user_agent": "A"}, 0),
            ({"user_agent": "A"}, {}, 0),
            ({}, {"user_agent": "A"}, 1),
            ({"user_agent": "A"}, {"user_agent": "a"}, 1),
            ({"user_agent": "A"}, {"user_agent": ""}, 0),
            ({"user_agent": "A"}, {"user_agent": " A "}, 0),
            ({"cost": "1.5", "currency": "eur"}, {"cost": 1.50, "currency": "EUR"}, 0),
            ({"cost": "0.000000000001"}, {"cost": "0.000000000002"}, 1),
            ({"cost": "99999999999999999.000000000001"}, {"cost": "99999999999999999"}, 1),
        ],
    )
    def test_a_conflict_is_a_field_of_the_message_that_differs(
        self, store: EventStore, stored: dict[str, Any], duplicate: dict[str, Any], conflicts: int
    ) -> None:
        store.commit(outcome_of("impressions", stored))

        counts = store.commit(outcome_of("impressions", duplicate, start=1))

        assert counts == Counts(read=1, duplicate=1, conflict=conflicts)

    def test_conflicts_within_a_batch_are_with_the_event_that_is_stored(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", {"user_id": "old", "user_agent": "A"}))
        old = [{"user_id": "old", "user_agent": agent} for agent in "BAB"]
        new = [{"user_id": "new", "user_agent": agent} for agent in "CDCD"]

        counts = store.commit(outcome_of("clicks", *old, *new, start=1))

        assert counts == Counts(read=7, stored=1, duplicate=6, conflict=4)
        assert store.rejects(ALL)["offset"].to_list() == [1, 3, 5, 7]

    def test_conflicts_across_partitions_and_months(self, store: EventStore) -> None:
        times = ["2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z"]
        store.commit(outcome_of("bids", *({"timestamp": time, "country": "DE"} for time in times)))

        counts = store.commit(
            outcome_of("bids", *({"timestamp": time, "country": "FR"} for time in times), partition=1)
        )

        assert counts == Counts(read=2, duplicate=2, conflict=2)
        assert store.rejects(ALL).select("topic", "partition", "offset").rows() == [
            ("avro_data_topic", 1, 0),
            ("avro_data_topic", 1, 1),
        ]

    def test_conflicts_are_outside_the_balance_and_in_the_history(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", {"user_agent": "A"}, {"user_agent": "B"}))
        store.commit(outcome_of("clicks", {"user_agent": "C"}, start=2))

        (row,) = store.ledger()
        assert row.counts == Counts(read=3, stored=1, duplicate=2, conflict=2)
        assert row.counts.balanced
        assert store.commits()["conflict"].to_list() == [1, 1]
        assert store.reject_counts(ALL).drop("hour").rows() == [("clicks", "conflict", "conflicting_duplicate", 2)]
        assert [finding for finding in store.inspect() if not finding.good] == []

    def test_conflicts_equal_those_with_the_first_event_of_each_identity(self, new_store: NewStore) -> None:
        fields = st.fixed_dictionaries(
            {"user_id": st.sampled_from("ab")},
            optional={"user_agent": st.sampled_from("AB"), "app": st.sampled_from("xy")},
        )

        @settings(max_examples=10, deadline=None)
        @given(st.lists(st.lists(fields, max_size=6), max_size=4))
        def check(commits: list[list[dict[str, str]]]) -> None:
            first: dict[str, Mapping[str, str]] = {}
            expected = []
            with new_store()() as store:
                offset = 0
                for messages in commits:
                    store.commit(outcome_of("clicks", *messages, start=offset))
                    for message in messages:
                        stored = first.setdefault(message["user_id"], message)
                        if any(stored.get(name) != value for name, value in message.items()):
                            expected.append(offset)
                        offset += 1
                assert store.rejects(ALL)["offset"].to_list() == expected
                assert store.extent("clicks", EVERYTHING).events == len(first)
                assert sum(row.counts.conflict for row in store.ledger()) == len(expected)

        check()
