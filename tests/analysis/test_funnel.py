"""The funnel, against plain loops and worked examples."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product
from math import sqrt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from advertisex.analysis.calendar import PERIODS
from advertisex.analysis.funnel import funnel
from advertisex.analysis.intervals import rate
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore
from tests.analysis.small_worlds import (
    BIDS,
    CLICKS,
    IMPRESSIONS,
    MOVING,
    REFUNDS,
    START,
    Dataset,
    Rows,
    dataset,
    expected_period,
    scopes,
)
from tests.analysis.test_impression_match import expected_match
from tests.budget import examples

Stored = Callable[..., EventStore]
#: The column of each breakdown.
COLUMNS = {name: name for name in ("campaign_id", "creative_id", "app", "advertiser_id", *PERIODS)} | {
    "website": "domain"
}
STEPS = ("bids", "impressions", "clicks", "conversions")
USERS = ("bid_users", "impression_users", "click_users", "conversion_users")


def key_of(feed: str, row: dict[str, Any], by: str, impressions: Rows, zone: str) -> Any:
    time = row["event_time"]
    if by in PERIODS:
        return expected_period(time, by, zone)
    if by not in ("campaign_id", "app") and feed == "clicks":
        row = expected_match(row, impressions) or {}
    return row.get(COLUMNS[by])


def oracle(data: Dataset, by: str | None, scope: Scope) -> dict[Any, dict[str, Any]]:
    counts: dict[Any, dict[str, Any]] = defaultdict(
        lambda: (
            dict.fromkeys((*STEPS, "click_conversions"), 0)
            | {name: defaultdict(Fraction) for name in ("value", "gross_value")}
        )
    )
    users: dict[Any, set[str]] = defaultdict(set)
    for feed, rows in (("bids", data.bids), ("impressions", data.impressions), ("clicks", data.clicks)):
        for row in rows:
            if scope.campaign not in (None, row["campaign_id"]):
                continue
            if (scope.since and row["event_time"] < scope.since) or (scope.until and row["event_time"] >= scope.until):
                continue
            key = None if by is None else key_of(feed, row, by, data.impressions, scope.zone)
            steps = {feed: 1} if feed != "clicks" else {name: row[name] for name in ("clicks", "conversions")}
            refund = Fraction(row["value"]) if feed == "clicks" and row["conversion_type"] == "refund" else Fraction(0)
            if by is not None and not any(steps.values()) and not refund:
                continue  # a row without counts adds no key
            found = counts[key]
            for step, number in steps.items():
                found[step] += number
                if number:
                    users[key, step].add(row["user_id"])
            if steps.get("conversions") and follows_click(row, data.clicks):
                found["click_conversions"] += row["conversions"]
            if steps.get("conversions") and row["value"] is not None:
                found["value"][row["currency"]] += Fraction(row["value"])
                found["gross_value"][row["currency"]] += Fraction(row["value"])
            if refund:
                found["value"][row["currency"]] += refund
                found["gross_value"][row["currency"]] += 0
    for key, found in counts.items():
        found |= {name: len(users[key, step]) for step, name in zip(STEPS, USERS, strict=True)}
    return counts


def follows_click(row: dict[str, Any], clicks: Rows) -> bool:
    return any(
        other["clicks"] and timedelta(0) <= row["event_time"] - other["event_time"] <= timedelta(days=30)
        for other in clicks
        if other["user_id"] == row["user_id"]
    )


def decimal(exact: Fraction) -> Decimal:
    with localcontext(prec=60):
        return Decimal(exact.numerator) / Decimal(exact.denominator)


def check(found: dict[str, Any], expected: dict[str, Any]) -> None:
    counts = (*STEPS, "click_conversions", *USERS)
    assert {name: found[name] for name in counts} == {name: expected[name] for name in counts}
    assert found["click_conversions"] <= found["conversions"]
    for name, count, of in (
        ("ctr", "clicks", "impressions"),
        ("cvr", "conversions", "clicks"),
        ("click_cvr", "click_conversions", "clicks"),
    ):
        k, n = expected[count], expected[of]
        assert found[name] == (pytest.approx(k / n) if n else None)
        low, high = found[f"{name}_low"], found[f"{name}_high"]
        if not 0 <= k <= n or n == 0:
            assert (low, high) == (None, None)
        else:
            assert (low, high) == pytest.approx(wilson(k, n), abs=1e-12)
            assert 0 <= low <= found[name] <= high <= 1


def wilson(k: int, n: int) -> tuple[float, float]:
    """The roots of (p̂ − p)² = z² p (1 − p) / n, Wilson's definition."""
    z, p = 1.959963984540054, k / n
    a, b, c = 1 + z * z / n, -(2 * p + z * z / n), p * p
    root = sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


#: Around the event times and the limits of the 30-day window; empty ranges are valid.
BOUND = st.none() | st.builds(
    lambda days, micros: START + timedelta(days=days, microseconds=micros),
    st.sampled_from([0, 2, 3, 4, 6, 32, 33]),
    st.integers(-1, 1),
)
SCOPES = scopes(BOUND)


@settings(max_examples=examples(20))
@given(
    st.lists(BIDS, max_size=8),
    st.lists(IMPRESSIONS, max_size=10),
    st.lists(CLICKS | REFUNDS, min_size=1, max_size=8),
    SCOPES,
)
def test_all_numbers_match_a_loop(bids: Rows, impressions: Rows, clicks: Rows, scope: Scope) -> None:
    with dataset(MOVING, bids=bids, impressions=impressions, clicks=clicks) as data:
        whole = oracle(data, None, scope).get(None)
        if whole is None:
            with pytest.raises(AnalysisError):
                funnel(data.store, scope)
            return
        for by in (None, *COLUMNS):
            answer = funnel(data.store, scope, by=by)
            check(answer.facts, whole)
            for name in ("value", "gross_value"):
                money = {currency or "": decimal(amount) for currency, amount in whole[name].items()}
                assert answer.facts[name] == money
            if by is None:
                continue
            expected = oracle(data, by, scope)
            rows = answer.table("rows")
            keys = rows[COLUMNS[by]].to_list()
            assert keys == sorted(expected, key=lambda key: (key is None, key or 0))
            for row in rows.iter_rows(named=True):
                check(row, expected[row[COLUMNS[by]]])
                for amount, currency in product(("value", "gross_value"), whole["value"]):
                    own = expected[row[COLUMNS[by]]][amount].get(currency)
                    name = f"{amount}_{currency}" if currency else amount
                    assert row[name] == (None if own is None else decimal(own))
            for amount in ("value", "gross_value"):
                for currency, sums in whole[amount].items():
                    assert sum(map(Fraction, rows[f"{amount}_{currency}" if currency else amount].drop_nulls())) == sums


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 10), (1, 10), (5, 10), (10, 10), (81, 263), (3, 10**12)])
def test_wilson_interval_matches_scipy(k: int, n: int) -> None:
    found = pl.DataFrame({"k": [k], "n": [n]}).select(rate("k", "n", "r")).row(0)

    assert found[0] == k / n
    if n < 10**6:
        expected = binomtest(k, n).proportion_ci(0.95, "wilson")
        assert found[1:] == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found[1:] == pytest.approx(wilson(k, n), rel=1e-3)


def test_published_examples_of_the_wilson_interval() -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3: 81 of 263, and 0 of 20."""
    cases = pl.DataFrame({"k": [81, 15, 0, 1], "n": [263, 148, 20, 29]}).select(rate("k", "n", "r"))

    assert [round(low, 4) for low in cases["r_low"]] == [0.2553, 0.0624, 0.0, 0.0061]
    assert [round(high, 4) for high in cases["r_high"]] == [0.3662, 0.1605, 0.1611, 0.1718]


def test_more_clicks_than_impressions_give_a_ratio_without_interval(stored: Stored) -> None:
    facts = funnel(stored(impressions=[{}], clicks=[{"clicks": 3}]), Scope()).facts

    assert (facts["ctr"], facts["ctr_low"], facts["ctr_high"]) == (3.0, None, None)
    assert (facts["cvr"], facts["cvr_low"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("clicked", "after_click"),
    [
        ({"timestamp": "2026-01-01T00:00:00Z"}, 2),  # 30 days before, and before the scope
        ({"timestamp": "2025-12-31T23:59:59.999999Z"}, 0),
        ({"timestamp": "2026-01-31T00:00:00Z"}, 2),
        ({"timestamp": "2026-01-31T00:00:00.000001Z"}, 0),
        ({"timestamp": "2026-01-30T00:00:00Z", "campaign_id": "another"}, 2),
        ({"timestamp": "2026-01-30T00:00:00Z", "user_id": "another"}, 0),
    ],
)
def test_a_conversion_follows_a_click_for_30_days(stored: Stored, clicked: dict[str, str], after_click: int) -> None:
    sold = {"timestamp": "2026-01-31T00:00:00Z", "clicks": 0, "conversions": 2}

    answer = funnel(stored(clicks=[clicked, sold]), Scope(since=datetime(2026, 1, 29), campaign="k1"), by="day")

    assert (answer.facts["conversions"], answer.facts["click_conversions"]) == (2, after_click)
    assert answer.table("rows")["click_conversions"].sum() == after_click


def test_no_trials_give_no_rate(stored: Stored) -> None:
    facts = funnel(stored(bids=[{}]), Scope()).facts

    assert [facts[name] for name in ("ctr", "ctr_low", "cvr", "cvr_high", "click_cvr", "click_cvr_low")] == [None] * 6
    assert facts["value"] == {}


def test_sums_of_large_counts_are_exact(stored: Stored) -> None:
    rows = [{"user_id": f"u{i}", "clicks": 10**9, "conversions": 10**9, "value": 1e12} for i in range(30)]

    facts = funnel(stored(clicks=rows), Scope(), by="day").facts

    assert (facts["clicks"], facts["conversions"]) == (30 * 10**9, 30 * 10**9)
    assert facts["value"] == {"": Decimal(30 * 10**12)}
    assert facts["ctr"] is None


def test_answer_metadata(stored: Stored) -> None:
    store = stored(bids=[{}], impressions=[{}, {"user_id": "v"}], clicks=[{}])

    answer = funnel(store, Scope(since=datetime(2026, 1, 1)), by="website")

    document = answer.to_dict()
    assert document["definition"] == "funnel/3"
    assert document["computed_from"] == {"bids": 1, "impressions": 2, "clicks": 1}
    assert document["parameters"] == {
        "by": "website", "answer_window_seconds": 30 * 86_400, "click_window_seconds": 30 * 86_400, "confidence": 0.95,
    }  # fmt: skip
    assert document["horizon"] == "2026-01-05T10:00:00Z"
    assert document["horizons"].keys() == {"bids", "impressions", "clicks"}
    assert [row["domain"] for row in document["rows"]] == [
        "example.com",
        None,
    ]  # the click is unmatched
    assert [row["step"] for row in document["steps"]] == list(STEPS)
    for chart in answer.charts:
        assert {chart.x, *chart.y} <= set(answer.table(chart.table).columns)


@pytest.mark.parametrize("by", [None, *COLUMNS])
def test_an_empty_scope_is_an_error(stored: Stored, by: str | None) -> None:
    scope = Scope(until=datetime(2020, 1, 1))

    with pytest.raises(AnalysisError, match="no events found") as caught:
        funnel(stored(bids=[{}], impressions=[{}], clicks=[{}]), scope, by=by)

    assert caught.value.hint
    assert caught.value.where == scope.text()


def test_a_missing_feed_has_a_null_horizon(stored: Stored) -> None:
    document = funnel(stored(clicks=[{}]), Scope()).to_dict()

    assert document["horizon"] == "2026-01-05T10:00:00Z"
    assert document["horizons"] == {"bids": None, "impressions": None, "clicks": "2026-01-05T10:00:00Z"}
