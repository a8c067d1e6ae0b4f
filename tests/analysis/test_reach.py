"""Reach, against plain loops and worked examples."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.reach import reach
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore
from tests.analysis.small_worlds import CATALOGUE, IMPRESSIONS, Rows, dataset
from tests.budget import examples

Stored = Callable[..., EventStore]
MEASURES = ("users", "impressions", "users_once", "max_frequency", "average_frequency")


def measures(frequencies: Counter[str]) -> tuple[float, ...]:
    numbers = list(frequencies.values())
    return (len(numbers), sum(numbers), numbers.count(1), max(numbers), sum(numbers) / len(numbers))


def distribution(frequencies: Counter[str]) -> list[tuple[float, ...]]:
    numbers = list(frequencies.values())
    return [
        (each, numbers.count(each), sum(n >= each for n in numbers), numbers.count(each) / len(numbers))
        for each in sorted(set(numbers))
    ]


@settings(max_examples=examples(30))
@given(st.lists(IMPRESSIONS, min_size=1, max_size=25), st.none() | st.just("k1"))
def test_all_numbers_match_a_loop(impressions: Rows, campaign: str | None) -> None:
    with dataset(impressions=impressions) as data:
        rows = [row for row in data.impressions if campaign in (None, row["campaign_id"])]
        if not rows:
            with pytest.raises(AnalysisError):
                reach(data.store, Scope(campaign=campaign))
            return
        answer = reach(data.store, Scope(campaign=campaign))

    everybody = Counter(row["user_id"] for row in rows)
    campaigns = sorted({row["campaign_id"] for row in rows}, key=lambda name: (name is None, name))
    own = {name: Counter(row["user_id"] for row in rows if row["campaign_id"] == name) for name in campaigns}
    assert tuple(answer.facts[name] for name in MEASURES) == measures(everybody)
    assert answer.table("campaigns").select("campaign_id", *MEASURES).rows() == [
        (name, *measures(own[name])) for name in campaigns
    ]
    assert answer.table("frequency").rows() == distribution(everybody)
    assert answer.table("campaign_frequency").rows() == [
        (name, *row) for name in campaigns for row in distribution(own[name])
    ]
    assert answer.table("overlap").rows() == [
        (first, other, len(both), len(both) / len(own[first]))
        for first in campaigns
        for other in campaigns
        if None not in (first, other) and first != other and (both := own[first].keys() & own[other].keys())
    ]
    assert answer.computed_from == {"impressions": len(rows)}


def test_worked_example(stored: Stored) -> None:
    shown = [("a", "c1"), ("a", "c1"), ("a", "c3"), ("b", "c2"), ("c", "c4")]
    store = stored(
        CATALOGUE,
        impressions=[
            {"user_id": user, "creative_id": creative, "timestamp": f"2026-01-05T10:0{place}:00Z"}
            for place, (user, creative) in enumerate(shown)
        ],
    )

    document = reach(store, Scope()).to_dict()

    assert (document["users"], document["impressions"], document["average_frequency"]) == (3, 5, 5 / 3)
    assert document["campaigns"][0] == {
        "campaign_id": "k1", "users": 2, "impressions": 3, "users_once": 1, "max_frequency": 2,
        "average_frequency": 1.5,
    }  # fmt: skip
    assert document["campaigns"][2]["campaign_id"] is None
    assert document["overlap"] == [
        {"campaign_id": "k1", "other_campaign_id": "k2", "users": 1, "share": 0.5},
        {"campaign_id": "k2", "other_campaign_id": "k1", "users": 1, "share": 1.0},
    ]


def test_impressions_without_a_campaign_have_no_overlap(stored: Stored) -> None:
    answer = reach(stored(impressions=[{}, {"user_id": "v"}]), Scope())

    assert answer.table("campaigns")["campaign_id"].to_list() == [None]
    assert answer.table("overlap").height == 0
    for chart in answer.charts:
        assert {chart.x, *chart.y, chart.colour or chart.x} <= set(answer.table(chart.table).columns)


def test_no_impressions_is_an_error(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no impressions found") as caught:
        reach(stored(clicks=[{}], bids=[{}]), Scope(until=datetime(2027, 1, 1)))

    assert caught.value.where == "until 2027-01-01T00:00:00Z"
