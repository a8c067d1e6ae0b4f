"""How much is stored, of whom, from when to when."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError
from advertisex.processing.enrich import Catalogue
from advertisex.stores.contract import EventStore

Stored = Callable[..., EventStore]

CATALOGUE = Catalogue(pl.DataFrame({"creative_id": ["c1"], "campaign_id": ["k1"], "advertiser_id": ["a1"]}))
WORLD: dict[str, list[dict[str, Any]]] = {
    "impressions": [
        {"user_id": "a", "timestamp": "2026-01-01T00:00:00.000001Z"},
        {"user_id": "b", "creative_id": "of no campaign"},
        {"user_id": "c"},
    ],
    "clicks": [
        {"user_id": "a", "clicks": 5, "conversions": 2, "value": 0.1, "currency": "EUR"},
        {"user_id": "a", "conversion_type": "signup", "value": 0.2, "currency": "EUR", "campaign_id": "k2"},
        {"user_id": "d", "conversion_type": "signup", "value": 7},
        {"user_id": "d", "currency": "USD"},
    ],
    "bids": [{"user_id": "e", "timestamp": "2026-02-03T04:05:06.789Z", "creative_id": "c1"}, {"user_id": "a"}],
}


def test_a_small_world_by_hand(stored: Stored) -> None:
    answer = summarise(stored(CATALOGUE, **WORLD), Scope()).to_dict()

    assert answer["counts"] == {"impressions": 3, "clicks": 6, "conversions": 4, "bids": 2}
    assert (answer["users"], answer["campaigns"], answer["events"]) == (5, 2, 9)
    assert answer["first_event"] == "2026-01-01T00:00:00.000001Z"
    assert answer["last_event"] == "2026-02-03T04:05:06.789000Z"
    assert answer["value"] == {"": 7.0, "EUR": pytest.approx(0.3)}
    assert answer["range"] == {"since": None, "until": None, "campaign": None, "as_of": None}


def test_a_range_narrows_it(stored: Stored) -> None:
    answer = summarise(stored(CATALOGUE, **WORLD), Scope(since=datetime(2026, 1, 6)))

    assert answer.counts == {"impressions": 0, "clicks": 0, "conversions": 0, "bids": 1}
    assert (answer.users, answer.campaigns) == (1, 1)
    assert answer.first_event == answer.last_event == datetime(2026, 2, 3, 4, 5, 6, 789_000)


def test_a_campaign_narrows_it(stored: Stored) -> None:
    store = stored(CATALOGUE, **WORLD)

    first, second = (summarise(store, Scope(campaign=name)) for name in ("k1", "k2"))

    assert first.counts == {"impressions": 2, "clicks": 6, "conversions": 3, "bids": 1}
    assert (first.users, first.campaigns) == (4, 1)
    assert second.counts == {"impressions": 0, "clicks": 0, "conversions": 1, "bids": 0}
    assert second.to_dict()["range"]["campaign"] == "k2"


def test_distinct_users_are_exact_over_many_events(stored: Stored) -> None:
    users = [f"user-{i * 7919 % 4001}" for i in range(12_000)]
    rows = [{"user_id": user, "timestamp": 1_767_607_200 + place} for place, user in enumerate(users)]

    answer = summarise(stored(impressions=rows, bids=rows[:100]), Scope())

    assert answer.users == len(Counter(users))
    assert answer.events == 12_100


def test_an_empty_store_is_a_message(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no event is stored") as caught:
        summarise(stored(), Scope())

    assert caught.value.mend


def test_an_empty_range_names_the_range(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no event is stored") as caught:
        summarise(stored(clicks=[{}]), Scope(until=datetime(2020, 1, 1), campaign="k1"))

    assert caught.value.where == "until 2020-01-01T00:00:00Z, campaign k1"
