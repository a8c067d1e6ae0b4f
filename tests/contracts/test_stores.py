"""The contract of event stores, for every store in `store_places.STORES` and for the store in memory."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from advertisex.errors import StoreError, StoreMissing
from advertisex.model import Counts
from advertisex.stores.contract import EventStore, Range
from advertisex.stores.open import open_store
from advertisex.testing import ManualClock
from advertisex.testing.contracts import EventStoreContract, NewStore, OpenStore
from advertisex.testing.contracts.store_commits import of_log
from advertisex.testing.contracts.store_fixtures import everything, outcome_of
from advertisex.testing.contracts.store_queries import TEXTS
from tests.contracts.store_places import STORES, NewPlace


class TestStores(EventStoreContract):
    @pytest.fixture(params=STORES)
    def new_place(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewPlace]:
        with STORES[request.param](request, tmp_path_factory) as new_place:
            yield new_place

    @pytest.fixture
    def new_store(self, new_place: NewPlace) -> NewStore:
        return lambda: new_place().open

    @pytest.fixture(params=["built in", "naughty strings"])
    def texts(self, request: pytest.FixtureRequest, shared_data: Callable[[str], Path]) -> list[str]:
        if request.param == "built in":
            return list(TEXTS)
        strings: list[str] = json.loads((shared_data("naughty_strings") / "blns.json").read_text(encoding="utf-8"))
        return strings

    def test_a_commit_that_fails_part_way_leaves_nothing_and_can_be_retried(self, store: EventStore) -> None:
        store.commit(outcome_of("impressions", {"user_id": "a"}, b"x"))
        before = everything(store)
        good = outcome_of("impressions", {"user_id": "b"}, b"y", start=2)

        with pytest.raises(StoreError):  # its events are valid, its rejects are not
            store.commit(replace(good, rejects=good.rejects.with_columns(reason=pl.lit(None, pl.String))))

        assert everything(store) == before
        assert store.commit(good) == Counts(read=2, stored=1, rejected=1)

    def test_a_span_of_another_log_is_reported_with_both_logs(self, store: EventStore) -> None:
        store.commit(of_log(outcome_of("clicks", {"user_id": "a"}, b"x"), "old"))

        with pytest.raises(StoreError, match="the ledger belongs to another log") as caught:
            store.commit(of_log(outcome_of("clicks", {"user_id": "b"}, b"y", start=2), "new"))

        assert caught.value.where == "clicks_conversions/0: log new, expected old"
        assert "restore the old log" in caught.value.hint

    def test_a_store_that_does_not_exist_is_reported_with_what_to_run(self, open_store: OpenStore) -> None:
        with pytest.raises(StoreMissing, match="nothing has been stored yet") as caught:
            open_store(read_only=True)

        assert "advertisex process" in caught.value.hint

    def test_commit_times_increase_even_if_the_clock_is_set_back(self, new_place: NewPlace) -> None:
        clock = ManualClock(datetime(2026, 1, 5))
        with new_place().open(clock=clock.now) as store:
            store.commit(outcome_of("clicks", {"user_id": "a"}))
            before = store.settled()
            assert before == clock.now()
            clock.advance(timedelta(days=-1))
            store.commit(outcome_of("clicks", {"user_id": "b"}, start=1))

            assert store.settled() == before + timedelta(microseconds=1)
            assert store.extent("clicks", Range(as_of=before)).events == 1


class TestMemoryStore(EventStoreContract):
    durable = False

    @pytest.fixture
    def new_store(self) -> NewStore:
        return lambda: partial(open_store, "duckdb:///:memory:", read_only=False)
