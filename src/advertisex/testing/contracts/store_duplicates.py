"""Duplicates in an event store: an event is stored once."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.feeds import FEEDS
from advertisex.model import Counts
from advertisex.stores.contract import EventStore
from advertisex.testing.contracts.store_fixtures import NewStore, StoreFixtures, events, outcome_of

FIRST = datetime(2026, 1, 1)


class StoreDuplicates(StoreFixtures):
    """How `EventStore.commit` finds the events that are already stored."""

    def test_an_event_is_stored_once_whichever_commit_contains_it(self, store: EventStore) -> None:
        store.commit(outcome_of("impressions", {"user_id": "a"}, {"user_id": "b"}))

        again = store.commit(outcome_of("impressions", {"user_id": "b"}, {"user_id": "c"}, {"user_id": "a"}, start=2))

        assert again == Counts(read=3, stored=1, duplicate=2)
        assert events(store, "impressions")["offset"].to_list() == [0, 1, 3]

    def test_a_late_repetition_of_an_old_event_is_found_in_history(self, store: EventStore) -> None:
        days = [{"timestamp": f"2026-01-{day:02}T00:00:00Z"} for day in range(1, 29)]
        for offset, day in enumerate(days):
            store.commit(outcome_of("clicks", day, start=offset))

        late = store.commit(outcome_of("clicks", {"timestamp": "2026-03-01T00:00:00Z"}, *reversed(days), start=28))

        assert late == Counts(read=29, stored=1, duplicate=28)
        assert events(store, "clicks").height == 29

    def test_a_few_late_repetitions_among_many_fresh_events_are_found(self, store: EventStore) -> None:
        """A store may look up a few old events in another way than the rest of the batch."""
        old = [{"timestamp": f"2026-01-{day:02}T00:00:00Z"} for day in (1, 9)]
        fresh = [{"timestamp": f"2026-03-01T00:{i // 60:02}:{i % 60:02}Z"} for i in range(300)]
        new_but_late = {"timestamp": "2026-01-05T00:00:00Z"}
        store.commit(outcome_of("clicks", *old, *fresh[:1]))

        counts = store.commit(outcome_of("clicks", *fresh[:200], *old, new_but_late, *fresh[200:], start=3))

        assert counts == Counts(read=303, stored=300, duplicate=3)
        assert events(store, "clicks").height == 303

    def test_late_events_that_are_new_are_stored(self, store: EventStore) -> None:
        store.commit(outcome_of("clicks", {"timestamp": "2026-03-01T00:00:00Z"}))

        late = store.commit(
            outcome_of(
                "clicks", *({"timestamp": f"20{year}-01-01T00:00:00.000001Z"} for year in range(10, 26)), start=1
            )
        )

        assert late == Counts(read=16, stored=16)

    def test_equal_times_alone_are_not_a_duplicate(self, store: EventStore) -> None:
        store.commit(outcome_of("bids", {"auction_id": "a"}))

        assert store.commit(outcome_of("bids", {"auction_id": "b"}, start=1)) == Counts(read=1, stored=1)

    def test_the_same_content_in_two_feeds_is_two_events(self, store: EventStore) -> None:
        for feed in FEEDS:
            assert store.commit(outcome_of(feed, {})).stored == 1

    def test_the_same_content_in_two_partitions_is_one_event(self, store: EventStore) -> None:
        assert store.commit(outcome_of("bids", {}, partition=0)).stored == 1
        assert store.commit(outcome_of("bids", {}, partition=1)) == Counts(read=1, duplicate=1)

    def test_deduplication_equals_a_set(self, new_store: NewStore) -> None:
        @settings(max_examples=15, deadline=None)
        @given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), max_size=12), max_size=6))
        def check(commits: list[list[tuple[str, int]]]) -> None:
            with new_store()() as store:
                start, seen = 0, set[tuple[str, int]]()
                for commit in commits:
                    messages = [
                        {"user_id": user, "timestamp": (FIRST + timedelta(day)).isoformat()} for user, day in commit
                    ]
                    counts = store.commit(outcome_of("impressions", *messages, start=start))
                    new = set(commit) - seen
                    assert counts == Counts(read=len(commit), stored=len(new), duplicate=len(commit) - len(new))
                    seen |= new
                    start += len(commit)
                stored = events(store, "impressions").select("user_id", "event_time")
                assert stored.height == len(seen)
                assert {(user, (time - FIRST).days) for user, time in stored.iter_rows()} == seen

        check()
