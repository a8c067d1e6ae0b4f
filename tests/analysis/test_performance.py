"""Performance and costs equal plain loops, add up over any division of a range, and are worked out by hand here."""

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.calendar import PERIODS
from advertisex.analysis.performance.report import performance
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore
from tests.analysis.performance_oracle import expected, expected_fees, sold
from tests.analysis.small_worlds import (
    BIDS,
    CLICKS,
    IMPRESSIONS,
    MOVING,
    REFUNDS,
    START,
    TIMES,
    Dataset,
    Rows,
    dataset,
    expected_period,
    scopes,
)
from tests.analysis.test_impression_match import expected_match
from tests.budget import examples
from tests.catalogues import campaign_rows

Stored = Callable[..., EventStore]

_amount = st.sampled_from([None, 0, "0.1", "2.5", "0.000000000001", 1e9])
_currency = st.sampled_from([None, "EUR", "USD"])
_transaction = st.sampled_from([None, "t1", "t2"])


def extended(events: st.SearchStrategy[dict[str, Any]], **fields: st.SearchStrategy[Any]) -> Any:
    return st.builds(lambda row, more: row | more, events, st.fixed_dictionaries(fields))


SHOWN = extended(IMPRESSIONS, cost=_amount, clearing_price=_amount, currency=_currency)
CLICKED = extended(CLICKS, transaction_id=_transaction) | extended(REFUNDS, transaction_id=_transaction)
PLACED = extended(BIDS, price_paid=_amount)
#: Flights that touch, of each kind of rate, around the times of the events.
FLIGHT = st.fixed_dictionaries(
    {
        "campaign_id": st.sampled_from(["k1", "k2"]),
        "rate_type": st.sampled_from([None, "cpm", "cpc", "cpa", "fixed"]),
        "rate": st.sampled_from(["0", "0.3", "7", "0.000000000001"]),
    }
)
LIMITS = st.lists(st.integers(-1, 42).map(lambda hours: START + timedelta(hours=6 * hours)), min_size=2, unique=True)


@st.composite
def flights(draw: st.DrawFn) -> Rows:
    rows = []
    for campaign in ("k1", "k2"):
        limits = sorted(draw(LIMITS.filter(lambda limits: len(limits) <= 4)))
        for start, end in pairwise(limits):
            kind = draw(st.sampled_from([None, "cpm", "cpc", "cpa", "fixed"]))
            rate = draw(st.sampled_from(["0", "0.3", "7", "0.000000000001"])) if kind else None
            rows.append(
                {
                    "campaign_id": campaign,
                    "start": start,
                    "end": end,
                    "budget": "1",
                    "currency": "EUR",
                    "rate_type": kind,
                    "rate": rate,
                }
            )
    return rows


COLUMNS = {"website": "domain"}
BY = [None, "campaign_id", "creative_id", "website", "conversion_type", "day", "week", "month"]


@settings(max_examples=examples(60))
@given(
    st.lists(SHOWN, min_size=1, max_size=8),
    st.lists(CLICKED, max_size=8),
    st.lists(PLACED, max_size=6),
    flights(),
    scopes(st.none() | TIMES),
    st.sampled_from(BY),
)
def test_all_numbers_match_a_loop(
    impressions: Rows, clicks: Rows, bids: Rows, plan: Rows, scope: Scope, by: str | None
) -> None:
    with dataset(MOVING, campaign_rows(*plan), impressions=impressions, clicks=clicks, bids=bids) as data:
        known = data.store.campaigns().to_dicts()

        def of_impression(row: dict[str, Any], at: datetime) -> Any:
            if by in PERIODS:
                return expected_period(at, by, scope.zone)
            return None if by is None else row.get(COLUMNS.get(by, by))

        def of_click(row: dict[str, Any], at: datetime) -> Any:
            if by in ("creative_id", "website"):
                row = expected_match(row, data.impressions) or {}
            return of_impression(row, at)

        wanted = expected(data, known, scope, of_impression, of_click)
        fees = expected_fees(data, known, scope)
        if not is_any_read(data, scope) and not fees:
            with pytest.raises(AnalysisError):
                performance(data.store, scope, by=by)
            return
        answer = performance(data.store, scope, by=by)

    check_counts(answer.facts, wanted.values())
    check_money(answer.table("money"), by, wanted, fees)
    assert answer.facts["spend"].keys() == answer.facts["revenue"].keys()
    if by is not None:
        column = COLUMNS.get(by, by)
        for row in answer.table("rows").iter_rows(named=True):
            if row["impressions"] or row["clicks"] or row["conversions"]:
                check_counts(row, [wanted[row[column]]])
        assert {
            row for row, found in wanted.items() if any(found[n] for n in ("impressions", "clicks", "conversions"))
        } <= set(answer.table("rows")[column])


def is_any_read(data: Dataset, scope: Scope) -> bool:
    """Whether the scope contains an impression or a row of the clicks feed, even one that counts nothing."""
    rows = [*data.impressions, *(sold(data, row) | {"event_time": row["event_time"]} for row in data.clicks)]
    return any(
        (scope.since is None or scope.since <= row["event_time"])
        and (scope.until is None or row["event_time"] < scope.until)
        and scope.campaign in (None, row["campaign_id"])
        for row in rows
    )


def check_counts(found: Any, parts: Any) -> None:
    for name in ("impressions", "clicks", "conversions"):
        assert found[name] == sum(part[name] for part in parts), name


def check_money(money: pl.DataFrame, by: str | None, wanted: Any, fees: Any) -> None:
    column = None if by is None else COLUMNS.get(by, by)
    for name in ("spend", "gross_revenue", "refunds"):
        found: dict[Any, Fraction] = {}
        for row in money.iter_rows(named=True):
            found[None if column is None else row[column], row["currency"]] = Fraction(row[name])
        sums = {(key, currency): amount for key, part in wanted.items() for currency, amount in part[name].items()}
        if name == "spend" and by in PERIODS:  # by period, the sum of the fees
            total = sum(sums.values()) + sum(amount for fee in fees.values() for amount in fee.values())
            assert sum(found.values()) == total
            continue
        for campaign, amounts in fees.items() if name == "spend" else ():
            for currency, amount in amounts.items():
                where = (campaign if by == "campaign_id" else None, currency)
                sums[where] = sums.get(where, Fraction(0)) + amount
        assert {where: amount for where, amount in found.items() if amount} == {
            where: amount for where, amount in sums.items() if amount
        }, name
