"""Summary: counts, users, campaigns, values and time range."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore
from tests.catalogues import catalogue_rows

Stored = Callable[..., EventStore]

CATALOGUE = catalogue_rows({"creative_id": ["c1"], "campaign_id": ["k1"], "advertiser_id": ["a1"]})
EVENTS: dict[str, list[dict[str, Any]]] = {
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


def test_worked_example(stored: Stored) -> None:
    answer = summarise(stored(CATALOGUE, **EVENTS), Scope()).to_dict()

    assert answer["counts"] == {"impressions": 3, "clicks": 6, "conversions": 4, "bids": 2}
    assert (answer["users"], answer["campaigns"], answer["events"]) == (5, 2, 9)
    assert answer["first_event"] == "2026-01-01T00:00:00.000001Z"
    assert answer["last_event"] == "2026-02-03T04:05:06.789000Z"
    assert answer["value"] == answer["gross_value"] == {"": 7, "EUR": Decimal("0.3")}
    assert answer["range"] == {
        "since": None,
        "until": None,
        "campaign": None,
        "as_of": None,
        "where": {},
        "zone": "UTC",
    }
    assert answer["unknown_creatives"] == {"ids": 1, "events": 1}
    assert answer["unknown_campaigns"] == {"ids": 1, "events": 1}
    assert len(answer["notes"]) == 2


def test_a_range_filters_events(stored: Stored) -> None:
    answer = summarise(stored(CATALOGUE, **EVENTS), Scope(since=datetime(2026, 1, 6)))

    assert answer.facts["counts"] == {"impressions": 0, "clicks": 0, "conversions": 0, "bids": 1}
    assert (answer.facts["users"], answer.facts["campaigns"]) == (1, 1)
    assert answer.facts["first_event"] == answer.facts["last_event"] == datetime(2026, 2, 3, 4, 5, 6, 789_000)


def test_a_campaign_filters_events(stored: Stored) -> None:
    store = stored(CATALOGUE, **EVENTS)

    first, second = (summarise(store, Scope(campaign=name)) for name in ("k1", "k2"))

    assert first.facts["counts"] == {"impressions": 2, "clicks": 6, "conversions": 3, "bids": 1}
    assert (first.facts["users"], first.facts["campaigns"]) == (4, 1)
    assert second.facts["counts"] == {"impressions": 0, "clicks": 0, "conversions": 1, "bids": 0}
    assert second.to_dict()["range"]["campaign"] == "k2"


def test_distinct_users_are_exact_over_many_events(stored: Stored) -> None:
    users = [f"user-{i * 7919 % 4001}" for i in range(12_000)]
    rows = [{"user_id": user, "timestamp": 1_767_607_200 + place} for place, user in enumerate(users)]

    answer = summarise(stored(impressions=rows, bids=rows[:100]), Scope())

    assert answer.facts["users"] == len(Counter(users))
    assert answer.facts["events"] == 12_100


def test_an_empty_store_is_an_error(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no events found") as caught:
        summarise(stored(), Scope())

    assert caught.value.hint


def test_an_empty_range_is_reported_with_the_range(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no events found") as caught:
        summarise(stored(clicks=[{}]), Scope(until=datetime(2020, 1, 1), campaign="k1"))

    assert caught.value.where == "until 2020-01-01T00:00:00Z, campaign k1"


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        ([0.1] * 10 + [1_000_000_000_000, 0.000001, "0.0000004"], "1000000000001.0000014"),
        ([8977679486.31], "8977679486.31"),
        ([999999999999.99], "999999999999.99"),
        (["0.0000004"] * 200_000, "0.08"),
        (["1000000000000000000"] * 3 + ["0.000000000001"], "3000000000000000000.000000000001"),
    ],
)
def test_sums_of_values_are_exact(stored: Stored, amounts: list[Any], total: str) -> None:
    rows = [
        {"user_id": f"u{place}", "conversion_type": "buy", "value": value, "currency": "EUR"}
        for place, value in enumerate(amounts)
    ]

    answer = summarise(stored(clicks=rows), Scope())

    assert answer.facts["value"] == {"EUR": Decimal(total)}
    document = json.loads(str(answer.to_json()), parse_float=Decimal)
    assert document["value"] == {"EUR": Decimal(total)}
    assert f"EUR,{total},{total}" in answer.to_csv(table="values")


def test_only_conversions_have_a_value(stored: Stored) -> None:
    store = stored(
        clicks=[{"clicks": 1, "conversions": 0, "value": 5}, {"user_id": "b", "conversion_type": "buy", "value": 2}]
    )

    assert summarise(store).facts["value"] == {"": Decimal(2)}


def test_refunds_are_subtracted_from_the_net_value_and_count_nothing(stored: Stored) -> None:
    refund = {"conversion_type": "refund", "timestamp": "2026-01-07T10:00:00Z"}
    store = stored(
        clicks=[
            {"conversion_type": "buy", "value": "10.1", "currency": "EUR"},
            refund | {"value": "-0.100000000001", "currency": "EUR"},
            refund | {"value": -3, "currency": "USD", "user_id": "u2"},
            refund | {"value": 0, "currency": "GBP"},
        ]
    )

    answer = summarise(store, by="day")

    assert answer.facts["value"] == {"EUR": Decimal("9.999999999999"), "USD": Decimal(-3)}
    assert answer.facts["gross_value"] == {"EUR": Decimal("10.1"), "USD": Decimal(0)}
    assert (answer.facts["counts"]["clicks"], answer.facts["counts"]["conversions"]) == (0, 1)
    assert answer.table("days").select("^.*value.*$").rows(named=True) == [
        {"value_EUR": Decimal("10.1"), "value_USD": None, "gross_value_EUR": Decimal("10.1"), "gross_value_USD": None},
        {
            "value_EUR": Decimal("-0.100000000001"), "value_USD": Decimal(-3), "gross_value_EUR": Decimal(0),
            "gross_value_USD": Decimal(0),
        },
    ]  # fmt: skip


def test_days_are_utc_days_of_event_time(stored: Stored) -> None:
    events = {
        "impressions": [
            {"user_id": "a", "timestamp": "2026-01-01T00:00:00Z"},
            {"user_id": "a", "timestamp": "2026-01-01T23:59:59.999999Z"},
            {"user_id": "a", "timestamp": "2026-01-02T00:00:00Z"},
        ],
        "clicks": [
            {"user_id": "b", "timestamp": "2026-01-01T12:00:00Z", "clicks": 3, "conversions": 2,
             "value": 0.1, "currency": "EUR"},
            {"user_id": "a", "timestamp": "2026-01-04T12:00:00Z", "campaign_id": "k2", "conversion_type": "buy",
             "value": 1},
        ],
        "bids": [{"user_id": "a", "timestamp": "2026-01-04T12:00:00Z"}],
    }  # fmt: skip
    store = stored(CATALOGUE, **events)

    answer = summarise(store, by="day")

    assert answer.table("days").rows(named=True) == [
        {"day": date(2026, 1, 1), "impressions": 2, "clicks": 3, "conversions": 2, "bids": 0,
         "users": 2, "campaigns": 1, "value": None, "value_EUR": Decimal("0.1"), "gross_value": None,
         "gross_value_EUR": Decimal("0.1")},
        {"day": date(2026, 1, 2), "impressions": 1, "clicks": 0, "conversions": 0, "bids": 0,
         "users": 1, "campaigns": 1, "value": None, "value_EUR": None, "gross_value": None, "gross_value_EUR": None},
        {"day": date(2026, 1, 4), "impressions": 0, "clicks": 0, "conversions": 1, "bids": 1,
         "users": 1, "campaigns": 1, "value": Decimal(1), "value_EUR": None, "gross_value": Decimal(1),
         "gross_value_EUR": None},
    ]  # fmt: skip
    assert answer.facts == summarise(store).facts
    assert (answer.facts["users"], answer.facts["campaigns"]) == (2, 2)
    assert answer.computed_from == {"impressions": 3, "clicks": 2, "bids": 1}
    assert answer.to_dict()["days"][0]["day"] == "2026-01-01"


def test_days_without_campaigns_or_values(stored: Stored) -> None:
    days = summarise(stored(impressions=[{}]), by="day").table("days")

    assert days.row(0, named=True)["campaigns"] == 0
    assert [name for name in days.columns if name.startswith("value")] == []
