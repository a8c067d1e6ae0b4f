"""Bids, against plain loops and worked examples."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.bids import bids
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore
from tests.analysis.auctions_oracle import winners
from tests.analysis.small_worlds import BIDS, CATALOGUE, IMPRESSIONS, TIMES, Rows, dataset, expected_period, scopes
from tests.budget import examples

Stored = Callable[..., EventStore]
EVERYTHING = Scope()


def within(rows: Rows, scope: Scope) -> Rows:
    return [
        row
        for row in rows
        if scope.campaign in (None, row["campaign_id"])
        and (scope.since is None or row["event_time"] >= scope.since)
        and (scope.until is None or row["event_time"] < scope.until)
    ]


def money(rows: Rows) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row["amount"] is not None:
            name = row["currency"] or ""
            sums[name] = sums.get(name, Decimal(0)) + Decimal(str(row["amount"]))
    return dict(sorted(sums.items()))


def check(found: dict[str, Any], rows: Rows, won: set[bytes]) -> None:
    joinable = [row for row in rows if row["auction_id"] is not None]
    winning = [row for row in rows if row["event_id"] in won]
    assert (found["requests"], found["users"]) == (len(rows), len({row["user_id"] for row in rows}))
    assert (found["with_auction"], found["won"]) == (len(joinable), len(winning))
    assert found["win_rate"] == (len(winning) / len(joinable) if joinable else None)
    assert (found["win_rate_low"] is None) == (not joinable)


BOUND = st.none() | TIMES
SCOPES = scopes(BOUND)


@settings(max_examples=examples(40))
@given(st.lists(BIDS, min_size=1, max_size=14), st.lists(IMPRESSIONS, max_size=10), SCOPES)
def test_all_numbers_match_a_loop(placed: Rows, impressions: Rows, scope: Scope) -> None:
    with dataset(bids=placed, impressions=impressions) as data:
        won = winners(data.bids, data.impressions)
        rows = within(data.bids, scope)
        if not rows:
            with pytest.raises(AnalysisError):
                bids(data.store, scope)
            return
        answer = bids(data.store, scope)

    check(answer.facts, rows, won)
    assert answer.facts["bid_value_won"] == money([row for row in rows if row["event_id"] in won])
    own = within(data.impressions, scope)
    assert answer.facts["impressions"] == answer.computed_from["impressions"] == len(own)
    assert answer.facts["impressions_without_auction"] == sum(row["auction_id"] is None for row in own)
    for table, key in (("creatives", "creative_id"), ("hours", "hour")):
        parts: dict[Any, Rows] = {}
        for row in rows:
            hour = expected_period(row["event_time"], "hour", scope.zone)
            parts.setdefault(row["creative_id"] if key == "creative_id" else hour, []).append(row)
        found = answer.table(table)
        assert found[key].to_list() == sorted(parts, key=lambda value: (value is None, value))
        for row in found.iter_rows(named=True):
            part = parts[row[key]]
            check(row, part, won)
            for name, kept in (("amount", part), ("bid_value_won", [each for each in part if each["event_id"] in won])):
                sums = {column: value for column, value in row.items() if re.fullmatch(f"{name}(_[A-Z]{{3}})?", column)}
                expected = {
                    f"{name}_{currency}" if currency else name: value for currency, value in money(kept).items()
                }
                assert {column: value for column, value in sums.items() if value is not None} == expected
    amounts = answer.table("amounts")
    assert amounts["currency"].to_list() == [name or None for name in money(rows)]
    for row in amounts.iter_rows(named=True):
        check_amounts(row, [each for each in rows if each["currency"] == row["currency"]], won)


@settings(max_examples=examples(25))
@given(
    st.lists(BIDS, min_size=1, max_size=12),
    st.lists(IMPRESSIONS, min_size=1, max_size=10),
    st.lists(TIMES, min_size=1, max_size=2, unique=True).map(sorted),
    st.booleans(),
)
def test_parts_add_up_to_the_whole(placed: Rows, impressions: Rows, cuts: list[datetime], by_campaign: bool) -> None:
    campaigns = ["k1", "k2"] if by_campaign else [None]
    if by_campaign:  # a bid without a campaign is in no campaign's answer
        placed = [
            row | {"creative_id": row["creative_id"] if row["creative_id"] in {"c1", "c3"} else "c2"} for row in placed
        ]
    with dataset(bids=placed, impressions=impressions) as data:
        parts = []
        for since, until in pairwise([None, *cuts, None]):
            for campaign in campaigns:
                scope = Scope(since, until, campaign)
                if within(data.bids, scope):
                    parts.append(bids(data.store, scope).facts)
        whole = bids(data.store, Scope()).facts

    for count in ("requests", "with_auction", "won"):
        assert sum(part[count] for part in parts) == whole[count]
    spent: dict[str, Decimal] = {}
    for part in parts:
        for currency, amount in part["bid_value_won"].items():
            spent[currency] = spent.get(currency, Decimal(0)) + amount
    assert spent == whole["bid_value_won"]


def check_amounts(found: dict[str, Any], rows: Rows, won: set[bytes]) -> None:
    priced = [row for row in rows if row["amount"] is not None]
    amounts = sorted(Fraction(str(row["amount"])) for row in priced)
    n = len(amounts)
    assert found["bids"] == n
    quantiles = {"min": 0, "p25": 25, "median": 50, "p75": 75, "p95": 95, "max": 100}
    for name, percent in quantiles.items():
        place = max(1, ceil(Fraction(percent * n, 100)))
        assert Fraction(found[name]) == amounts[place - 1], name
    assert Fraction(found["sum"]) == sum(amounts)
    assert found["mean"] == float(Fraction(sum(amounts)) / n)
    spent = [Fraction(str(row["amount"])) for row in priced if row["event_id"] in won]
    assert (found["won"], Fraction(found["bid_value_won"])) == (len(spent), sum(spent))
    assert found["ecpm"] == (pytest.approx(float(1000 * sum(spent) / len(spent))) if spent else None)


def bid(auction: str | None, amount: float | None, **more: Any) -> dict[str, Any]:
    return {"auction_id": auction, "amount": amount, "currency": "EUR", "creative_id": "c1"} | more


def bid_value_won(store: EventStore, scope: Scope = EVERYTHING) -> dict[str, Decimal]:
    found: dict[str, Decimal] = bids(store, scope).facts["bid_value_won"]
    return found


def test_an_auction_with_many_impressions_is_won_once(stored: Stored) -> None:
    shown = [{"auction_id": "x", "timestamp": f"2026-01-05T10:00:0{i}Z"} for i in range(3)]
    store = stored(bids=[bid("x", 2), bid("y", 3), bid(None, 4)], impressions=shown)

    facts = bids(store, Scope()).facts

    assert (facts["won"], facts["with_auction"], facts["win_rate"]) == (1, 2, 0.5)
    assert facts["bid_value_won"] == {"EUR": Decimal(2)}


def test_the_bid_with_the_shown_creative_wins_else_the_latest(stored: Stored) -> None:
    early, late = "2026-01-05T10:00:00Z", "2026-01-05T10:00:01Z"
    store = stored(
        bids=[
            bid("x", 1, creative_id="c1", timestamp=early),
            bid("x", 2, creative_id="c2", timestamp=late),
            bid("y", 10, creative_id="c1", timestamp=early),
            bid("y", 20, creative_id=None, timestamp=late),
        ],
        impressions=[
            {"auction_id": "x", "creative_id": "c1", "timestamp": late},
            {"auction_id": "y", "creative_id": "c9", "timestamp": late},
        ],
    )

    assert bid_value_won(store) == {"EUR": Decimal(21)}


def test_a_campaign_does_not_win_what_another_one_won(stored: Stored) -> None:
    store = stored(
        CATALOGUE,
        bids=[bid("x", 1, creative_id="c1"), bid("x", 2, creative_id="c3")],
        impressions=[{"auction_id": "x", "creative_id": "c3"}],
    )

    assert bid_value_won(store, Scope(campaign="k1")) == {}
    assert bid_value_won(store, Scope(campaign="k2")) == {"EUR": Decimal(2)}


@pytest.mark.parametrize(
    ("shown_at", "won"),
    [
        ("2026-01-04T10:00:00Z", 1), ("2026-01-04T09:59:59.999999Z", 0),
        ("2026-01-06T10:00:00Z", 1), ("2026-01-06T10:00:00.000001Z", 0),
    ],
)  # fmt: skip
def test_the_auction_window_is_a_day_before_and_after_the_impression(stored: Stored, shown_at: str, won: int) -> None:
    store = stored(bids=[bid("x", 1)], impressions=[{"auction_id": "x", "timestamp": shown_at}])
    hour = Scope(datetime(2026, 1, 5, 10), datetime(2026, 1, 5, 11))

    assert [bids(store, scope).facts["won"] for scope in (hour, Scope())] == [won, won]


def test_an_auction_over_midnight_is_billed_once(stored: Stored) -> None:
    store = stored(
        bids=[
            bid("x1", 1, timestamp="2026-01-31T23:59:59.9Z"),
            bid("x1", 2, timestamp="2026-02-01T00:00:00.1Z"),
            bid("x2", 5, timestamp="2026-02-06T00:00:00Z"),
        ],
        impressions=[
            {"auction_id": "x1", "timestamp": "2026-02-01T00:00:01Z"},
            {"auction_id": "x2", "timestamp": "2026-02-20T00:00:00Z"},
        ],
    )
    month = datetime(2026, 2, 1)

    assert bid_value_won(store, Scope(until=month)) == {}
    assert bid_value_won(store, Scope(since=month)) == bid_value_won(store) == {"EUR": Decimal(2)}


def test_a_reused_auction_id_is_another_auction(stored: Stored) -> None:
    days = ["2026-01-05T10:00:00Z", "2026-01-09T10:00:00Z"]
    store = stored(
        bids=[bid("x", amount, timestamp=day) for amount, day in zip((1, 2), days, strict=True)],
        impressions=[{"auction_id": "x", "timestamp": day} for day in days],
    )

    assert bid_value_won(store) == {"EUR": Decimal(3)}


def test_bids_without_an_auction_id_are_neither_won_nor_lost(stored: Stored) -> None:
    facts = bids(stored(bids=[{}, bid(None, 1)], impressions=[{}]), Scope()).facts

    assert (facts["with_auction"], facts["won"], facts["win_rate"], facts["bid_value_won"]) == (0, 0, None, {})
    assert (facts["impressions"], facts["impressions_without_auction"]) == (1, 1)


def test_bids_without_an_amount_have_no_distribution(stored: Stored) -> None:
    answer = bids(stored(bids=[{}]), Scope())

    assert answer.table("amounts").height == 0
    assert [name for name in answer.table("creatives").columns if name.startswith(("amount", "bid_value_won"))] == []
    for chart in answer.charts:
        assert {chart.x, *chart.y} <= set(answer.table(chart.table).columns)


def test_no_bids_is_an_error(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no bids found") as caught:
        bids(stored(impressions=[{}]), Scope())

    assert caught.value.hint
