"""The history of an event store: commit times, the store as of a time, and notes."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import polars as pl
import pytest

from advertisex.errors import LedgerMoved
from advertisex.model import COMMIT_COLUMNS, COUNT_NAMES
from advertisex.stores.contract import EventStore, Extent, Range, RejectQuery
from advertisex.testing.contracts.store_fixtures import ALL, EVERYTHING, OpenStore, StoreFixtures, events, outcome_of


class StoreHistory(StoreFixtures):
    """The contract of the ledger history and of the notes of `EventStore`."""

    def test_the_ledger_history_has_every_commit_and_adds_up_to_the_ledger(self, reopen_store: OpenStore) -> None:
        with reopen_store() as store:
            assert store.commits().is_empty()
            assert dict(store.commits().schema) == COMMIT_COLUMNS
            store.commit(outcome_of("impressions", {"user_id": "a"}, b"[]"))
            store.commit(outcome_of("impressions", {"user_id": "a"}, {"user_id": "-1"}, start=2))
            store.commit(outcome_of("bids", {}, partition=3))
        with reopen_store() as store:
            store.commit(outcome_of("impressions", {"user_id": "b"}, start=4))
            with pytest.raises(LedgerMoved):
                store.commit(outcome_of("impressions", {"user_id": "c"}, start=4))

            history = store.commits()

            names = ["topic", "partition", "feed", "start", "end", *COUNT_NAMES[:5]]
            assert history.select(names).rows() == [
                ("ad_impressions", 0, "impressions", 0, 2, 2, 1, 0, 0, 1),
                ("ad_impressions", 0, "impressions", 2, 4, 2, 0, 1, 1, 0),
                ("ad_impressions", 0, "impressions", 4, 5, 1, 1, 0, 0, 0),
                ("avro_data_topic", 3, "bids", 0, 1, 1, 1, 0, 0, 0),
            ]
            assert dict(history.schema) == COMMIT_COLUMNS
            assert history["committed_at"].to_list()[:3] == sorted(history["committed_at"].to_list()[:3])
            sums = history.group_by("topic", "partition").agg(pl.sum("read", "stored", "duplicate")).sort("topic")
            assert sums.rows() == [
                (row.topic, row.partition, row.counts.read, row.counts.stored, row.counts.duplicate)
                for row in store.ledger()
            ]

    def test_the_ledger_history_can_be_read_since_a_time(self, store: EventStore) -> None:
        committed = []
        for start, user in enumerate("abc"):
            store.commit(outcome_of("clicks", {"user_id": user}, start=start))
            committed.append(store.settled())
        store.commit(outcome_of("bids", {}))
        assert committed[1] is not None

        assert store.commits(committed[1])[["feed", "start"]].rows() == [("bids", 0), ("clicks", 1), ("clicks", 2)]
        assert store.commits(committed[1] + timedelta(microseconds=1))["start"].to_list() == [0, 2]
        assert store.commits(datetime(9000, 1, 1)).is_empty()
        assert dict(store.commits(datetime(9000, 1, 1)).schema) == COMMIT_COLUMNS

    def test_the_store_as_of_a_time_contains_only_what_was_processed_by_then(self, store: EventStore) -> None:
        times = []
        for start, user in enumerate("abc"):
            store.commit(outcome_of("clicks", {"user_id": user}, b"x", start=2 * start))
            time.sleep(0.002)
            times.append(datetime.now(UTC).replace(tzinfo=None))
            time.sleep(0.002)

        for count, at in enumerate(times, 1):
            then = Range(as_of=at)
            assert sorted(events(store, "clicks", then)["user_id"]) == list("abc")[:count]
            assert store.user_totals(then, None)["user_id"].to_list() == list("abc")[:count]
            assert store.extent("clicks", then).events == count
            assert store.rejects(RejectQuery(as_of=at)).height == count
            assert store.reject_counts(RejectQuery(as_of=at))["count"].sum() == count
            processed = pl.concat(store.scan("clicks", ["processed_at"], then))["processed_at"]
            last = processed.max()
            assert isinstance(last, datetime)
            assert events(store, "clicks", Range(as_of=last)).height == count, "the bound is inclusive"
        long_ago = datetime(1900, 1, 1)
        assert events(store, "clicks", Range(as_of=long_ago)).is_empty()
        assert store.extent("clicks", Range(as_of=long_ago)) == Extent()
        assert events(store, "clicks", Range(as_of=datetime(9999, 1, 1))).height == 3

    def test_a_batch_has_one_commit_time_and_settled_returns_the_last(self, store: EventStore) -> None:
        assert store.settled() is None
        settled = []
        for start, user in enumerate("abc"):
            store.commit(outcome_of("clicks", {"user_id": user}, b"x", start=2 * start))
            last = store.settled()
            assert last is not None
            settled.append(last)

            times = [
                pl.concat(store.scan("clicks", ["processed_at"], EVERYTHING))["processed_at"].max(),
                store.rejects(ALL)["processed_at"].max(),
                store.commits()["committed_at"].max(),
            ]
            assert times == [last] * 3
        assert settled == sorted(set(settled))
        for count, at in enumerate(settled, 1):
            assert store.extent("clicks", Range(as_of=at)).events == count

    def test_threads_can_take_the_same_note(self, store: EventStore) -> None:
        """A dashboard may resolve rejects while alerts are evaluated."""

        def take(number: int) -> None:
            store.take_note("shared", {"key": b"%d" % number, f"own-{number}": b""})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(take, range(24)))
        notes = store.notes("shared")
        assert len(notes) == 25
        assert int(notes["key"]) in range(24)

    def test_notes_are_kept_by_kind_and_key_and_can_be_replaced(self, reopen_store: OpenStore) -> None:
        with reopen_store() as store:
            store.take_note("alerts", {"a/b ü": b"1", "c": b"\x00\xff"})
            store.take_note("other", {"a/b ü": b"2"})
            store.take_note("alerts", {"a/b ü": b"3", "d": None})
        with reopen_store(read_only=True) as store:
            assert store.notes("alerts") == {"a/b ü": b"3", "c": b"\x00\xff"}
            assert store.notes("other") == {"a/b ü": b"2"}
            assert store.notes("none") == {}
        with reopen_store() as store:
            store.take_note("alerts", {"a/b ü": None})
            assert store.notes("alerts") == {"c": b"\x00\xff"}

    def test_a_store_can_be_read_while_another_thread_commits(self, store: EventStore) -> None:
        store.commit(outcome_of("impressions", {}))
        ended = Event()
        wrong: list[object] = []

        def read() -> None:
            while not ended.is_set():
                held = store.extent("impressions", EVERYTHING).events
                counted = store.ledger()[0].counts.stored
                if not 1 <= held <= 9 or not 1 <= counted <= 9 or store.settled() is None or store.notes("none"):
                    wrong.append((held, counted))

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            try:
                for start in range(1, 9):
                    store.commit(outcome_of("impressions", {"user_id": f"v{start}"}, start=start))
                    store.take_note("some", {f"{start}": b"{}"})
            finally:
                ended.set()
            reading.result()
        assert wrong == []
        assert store.extent("impressions", EVERYTHING).events == 9
