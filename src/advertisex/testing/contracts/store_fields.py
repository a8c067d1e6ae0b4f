"""The fields of stored events: exact amounts, slices of users, and own fields."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS, Feed
from advertisex.feeds.feed import AMOUNT, OwnKind
from advertisex.feeds.rules import with_own_fields
from advertisex.model import USER_SLICES, Counts
from advertisex.stores.contract import EventStore, Range
from advertisex.testing.contracts.store_fixtures import (
    EVERYTHING,
    NewStore,
    OpenStore,
    StoreFixtures,
    events,
    outcome_of,
)

OWN: dict[str, OwnKind] = {"region": "text", "viewable": "flag", "seen": "count", "fee": "amount"}
AMOUNTS = ("0", "-0", "12.5", "0.000000000001", "8977679486.31", "999999999999.99", "1000000000000000000")


class StoreFields(StoreFixtures):
    """The contract of the columns of `EventStore`."""

    def test_amounts_are_exact(self, store: EventStore) -> None:
        amounts = [*AMOUNTS, "999999999999999999.999999999999"]
        messages = [{"user_id": f"u{number}", "value": amount} for number, amount in enumerate(amounts)]
        refund = {"conversion_type": "refund", "value": "-0.000000000001"}

        store.commit(outcome_of("clicks", *messages, refund, {}))

        values = events(store, "clicks")["value"]
        assert values.dtype == AMOUNT
        assert values.to_list() == [*map(Decimal, amounts), Decimal("-0.000000000001"), None]

    def test_any_amount_is_exact(self, new_store: NewStore) -> None:
        whole = st.integers(-(10**18) * 10**12, 10**18 * 10**12)

        @settings(max_examples=5, deadline=None)
        @given(st.lists(whole, min_size=1, max_size=20, unique=True))
        def check(numbers: list[int]) -> None:
            amounts = [Decimal(number).scaleb(-12) for number in numbers]
            messages = [
                {"value": f"{amount:f}", "conversion_type": "refund" if amount < 0 else "buy"} for amount in amounts
            ]
            with new_store()() as store:
                store.commit(outcome_of("clicks", *messages))
                assert events(store, "clicks")["value"].to_list() == amounts

        check()

    def test_the_slices_of_users_are_disjoint_and_complete(self, store: EventStore) -> None:
        for feed in ("clicks", "bids"):
            times = ["2026-01-05T10:00:00Z", "2026-02-05T10:00:00Z"]
            users = [{"user_id": f"u{number}", "timestamp": time} for number in range(100) for time in times]
            store.commit(outcome_of(feed, *users))
        bounds = [0, 1, 1000, 2500, 2500, 4095, USER_SLICES]
        february = Range(since=events(store, "clicks")["event_time"].max())  # type: ignore[arg-type]

        for feed, within in (("clicks", EVERYTHING), ("bids", EVERYTHING), ("clicks", february)):
            parts = [self._read(store, feed, within, range(start, stop)) for start, stop in pairwise(bounds)]

            whole = pl.concat(parts)
            assert sorted(whole.rows()) == sorted(self._read(store, feed, within, None).rows())
            assert len(whole) == (100 if within is february else 200)
            for (start, stop), part in zip(pairwise(bounds), parts, strict=True):
                assert part["user_slice"].is_between(start, stop, closed="left").all()
            of_user = whole.group_by("user_id").agg(pl.col("user_slice").n_unique())
            assert of_user["user_slice"].max() == 1

    def test_own_fields_are_added_to_a_store_that_exists(self, reopen_store: OpenStore) -> None:
        feed = with_own_fields(FEEDS["clicks"], OWN)
        given_fields = {"region": "é 1", "viewable": True, "seen": 3, "fee": "0.000000000001"}
        with reopen_store() as store:
            store.commit(outcome_of("clicks", {"user_id": "before"}))
            assert store.columns("clicks") == FEEDS["clicks"].columns

            store.prepare(FEEDS | {"clicks": feed})
            store.prepare(FEEDS | {"clicks": feed})

            counts = store.commit(outcome_of(feed, given_fields, {"user_id": "without"}, start=1))
            assert counts == Counts(read=2, stored=2)
        with reopen_store() as store:
            # a process whose settings do not have the fields, in a month that is new
            other = {"user_id": "other", "timestamp": "2026-06-01T00:00:00Z"}
            store.prepare(FEEDS)
            store.commit(outcome_of("clicks", other, start=3))
            store.prepare({"clicks": feed})
            later = {"user_id": "later", "timestamp": "2026-06-01T00:00:01Z", "viewable": "false"}
            store.commit(outcome_of(feed, later, start=4))
        with reopen_store(read_only=True) as store:
            assert store.columns("clicks") == feed.columns
            assert store.columns("bids") == FEEDS["bids"].columns
            frame = pl.concat(store.scan("clicks", ["offset", *OWN, "user_id"], EVERYTHING)).sort("offset")
            assert dict(frame.select(*OWN).schema) == {name: feed.columns[name] for name in OWN}
            nothing = dict.fromkeys(OWN)
            assert frame.select(*OWN).to_dicts() == [
                nothing,
                given_fields | {"fee": Decimal("0.000000000001")},
                nothing,
                nothing,
                nothing | {"viewable": False},
            ]

    def test_an_own_field_can_be_part_of_the_identity_and_of_a_conflict(self, store: EventStore) -> None:
        feed = with_own_fields(FEEDS["bids"], {"slot": "text", "fee": "amount"}).identified_by(["user_id", "slot"])
        store.prepare({"bids": feed})

        messages: list[dict[str, Any]] = [{"slot": "a", "fee": "1"}, {"slot": "b"}, {"slot": "a", "fee": "1.0"}]
        assert store.commit(outcome_of(feed, *messages)) == Counts(read=3, stored=2, duplicate=1)
        again = store.commit(outcome_of(feed, {"slot": "a", "fee": "2"}, {"slot": "b", "fee": "2"}, start=3))
        assert again == Counts(read=2, duplicate=2, conflict=2)

    @pytest.mark.parametrize("kind", ["text", "flag", "count", "amount"])
    def test_an_own_field_keeps_its_kind(self, store: EventStore, kind: OwnKind) -> None:
        self._prepare(store, "clicks", own=kind)
        self._prepare(store, "bids", own="text")
        for other in OWN.values():
            if other != kind:
                with pytest.raises(ConfigurationError, match=r"setting feeds\.clicks\.extra.*'own'") as caught:
                    self._prepare(store, "clicks", own=other)
                assert "use another name" in caught.value.hint
        assert store.columns("clicks")["own"] == self._prepare(store, "clicks", own=kind).columns["own"]

    @staticmethod
    def _prepare(store: EventStore, feed: str, **own: OwnKind) -> Feed:
        configured = with_own_fields(FEEDS[feed], own)
        store.prepare({feed: configured})
        return configured

    @staticmethod
    def _read(store: EventStore, feed: str, within: Range, slices: range | None) -> pl.DataFrame:
        columns = ["user_id", "event_time", "user_slice"]
        schema = {"user_id": pl.String(), "event_time": pl.Datetime("us"), "user_slice": pl.Int16()}
        return pl.concat([pl.DataFrame(schema=schema), *store.scan(feed, columns, within, slices)])
