"""Performance and costs equal plain loops, add up over any division of a range, and are worked out by hand here."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis import auctions, groups
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.calendar import PERIODS
from advertisex.analysis.performance.report import performance
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
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
    st.sampled_from([0, 2, 400]),
    st.sampled_from([0, 3, 1_000]),
)
def test_all_numbers_match_a_loop(
    impressions: Rows, clicks: Rows, bids: Rows, plan: Rows, scope: Scope, by: str | None, intervals: int, few: int
) -> None:
    with (
        # the store counts the impressions of so many intervals; of more, each is read
        pytest.MonkeyPatch.context() as patch,
        dataset(MOVING, campaign_rows(*plan), impressions=impressions, clicks=clicks, bids=bids) as data,
    ):
        patch.setattr(groups, "_MOST_INTERVALS", intervals)
        # with so many impressions for each bid, those with a bid are looked up; otherwise, all are read
        patch.setattr(auctions, "_FEW", few)
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


# -- worked by hand ----------------------------------------------------------------------------------------------


def flight(**fields: Any) -> dict[str, Any]:
    return {
        "campaign_id": "k1",
        "start": datetime(2026, 1, 1),
        "end": datetime(2026, 1, 11),
        "currency": "EUR",
    } | fields


CREATIVES = pl.DataFrame({"creative_id": ["c1", "c2"], "campaign_id": ["k1", "k2"], "advertiser_id": ["a", "b"]})


def shop(stored: Stored, *rows: dict[str, Any], **feeds: Rows) -> EventStore:
    store = stored(**feeds)
    creatives = CREATIVES.with_columns(valid_from=pl.lit(None, pl.Datetime("us")))
    store.import_catalogue(creatives, campaign_rows(*rows))
    return store


def money(store: EventStore, scope: Scope = Scope(), by: str | None = None) -> Rows:
    return performance(store, scope, by=by).table("money").to_dicts()


def test_each_source_comes_before_the_next(stored: Stored) -> None:
    bid = {"auction_id": "x", "price_paid": 2, "amount": 5, "currency": "EUR"}
    shown = {"auction_id": "x", "cost": 1, "clearing_price": 3000, "currency": "EUR"}
    steps = [
        (shown, bid, "cost", 1),
        (shown | {"cost": None}, bid, "price_paid", 2),
        (shown | {"cost": None}, bid | {"price_paid": None}, "clearing_price", 3),
        ({"auction_id": "x"}, bid | {"price_paid": None}, "rate", 4),
    ]
    moments = [
        {"timestamp": f"2026-01-05T0{number}:00:00Z", "auction_id": f"x{number}"} for number in range(len(steps))
    ]
    store = shop(
        stored,
        flight(rate_type="cpm", rate="4000"),
        impressions=[step[0] | moment for step, moment in zip(steps, moments, strict=True)],
        bids=[step[1] | moment for step, moment in zip(steps, moments, strict=True)],
    )
    for number, (_, _, source, amount) in enumerate(steps):
        (row,) = money(store, Scope(datetime(2026, 1, 5, number), datetime(2026, 1, 5, number, 30)))
        assert (row["cost_sources"], row["spend"], row["currency"]) == (source, amount, "EUR")


@pytest.mark.parametrize("few", [0, 1_000], ids=["looked up", "all read"])
def test_impressions_with_a_bid_are_counted_and_paid_once(
    stored: Stored, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the impressions of bids are looked up or all are read: with a CPM, without one, and with a cost."""
    monkeypatch.setattr(auctions, "_FEW", few)
    bids = [{"auction_id": auction, "price_paid": 2, "amount": 5, "currency": "EUR"} for auction in ("x", "y", "z")]
    shown: Rows = [
        {"creative_id": "c1", "auction_id": "x"}, {"creative_id": "c2", "auction_id": "y"},
        {"creative_id": "c1", "auction_id": "z", "cost": 7, "currency": "EUR"}, {"creative_id": "c1"},
        {"creative_id": "c1", "auction_id": "w"}, {"creative_id": "c2"},
        {"creative_id": "c2", "cost": 1, "currency": "EUR"},
    ]  # fmt: skip
    rows = [row | {"timestamp": f"2026-01-05T10:00:0{second}Z"} for second, row in enumerate(shown)]
    store = shop(stored, flight(rate_type="cpm", rate="100"), impressions=rows, bids=bids)
    answer = performance(store, by="campaign_id")
    counted = {row["campaign_id"]: (row["impressions"], row["spend_EUR"]) for row in answer.table("rows").to_dicts()}
    assert counted == {"k1": (4, Decimal("9.2")), "k2": (3, 3)}
    sources = {row["source"]: (row["events"], row["spend"]) for row in answer.table("sources").to_dicts()}
    assert sources == {"cost": (2, 8), "price_paid": (2, 4), "rate": (2, Decimal("0.2"))}
    assert (answer.facts["impressions"], answer.facts["impressions_without_cost"]) == (7, 1)


def test_a_bid_is_the_last_resort(stored: Stored) -> None:
    event = {"auction_id": "x", "creative_id": "c2"}
    store = shop(stored, impressions=[event], bids=[event | {"amount": 5, "currency": "EUR"}])
    (row,) = money(store)
    assert (row["cost_sources"], row["spend"]) == ("bid", 5)


@pytest.mark.parametrize(
    "others", [[], [{"start": datetime(2026, 1, 11), "end": datetime(2026, 1, 12), "rate": "9000"}]]
)
def test_a_flight_has_its_start_and_not_its_end(stored: Stored, others: Rows) -> None:
    times = [
        "2025-12-31T23:59:59.999999Z",
        "2026-01-01T00:00:00Z",
        "2026-01-10T23:59:59.999999Z",
        "2026-01-11T00:00:00Z",
    ]
    rates = [{"rate": "1000"}, *others]
    store = shop(
        stored,
        *(flight(**{"rate_type": "cpm"} | one) for one in rates),
        impressions=[{"timestamp": one} for one in times],
    )
    days = (datetime(2025, 12, 31), datetime(2026, 1, 1), datetime(2026, 1, 10), datetime(2026, 1, 11))
    spend = [performance(store, Scope(day, day + timedelta(days=1))).facts["spend"].get("EUR", 0) for day in days]
    assert spend == [0, 1, 1, 9 if others else 0]


@pytest.mark.parametrize("price", ["amount", "price_paid"])
def test_a_bid_is_paid_once_for_the_first_impression_whatever_the_range(stored: Stored, price: str) -> None:
    event = {"auction_id": "x", "creative_id": "c2"}
    times = ["2026-01-05T10:00:00Z", "2026-01-05T10:00:01Z", "2026-01-05T23:00:00Z"]
    store = stored(
        impressions=[event | {"timestamp": time} for time in times],
        bids=[event | {price: 5, "currency": "EUR", "timestamp": "2026-01-05T09:59:59Z"}],
    )
    assert performance(store).facts["spend"] == {"EUR": 5}
    later = datetime(2026, 1, 5, 10, 0, 1)
    before, after = (performance(store, scope).facts for scope in (Scope(until=later), Scope(later)))
    assert (before["spend"], after["spend"]) == ({"EUR": 5}, {})
    assert (before["impressions_without_cost"], after["impressions_without_cost"]) == (0, 2)


@pytest.mark.parametrize(("stated", "spend"), [({}, Decimal("0.7")), ({"cost": 2, "currency": "EUR"}, Decimal(2))])
def test_a_click_is_paid_unless_its_impression_was(stored: Stored, stated: dict[str, Any], spend: Decimal) -> None:
    store = shop(
        stored,
        flight(rate_type="cpc", rate="0.7"),
        impressions=[{"timestamp": "2026-01-05T09:00:00Z", **stated}],
        clicks=[{"timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click"}],
    )
    (row,) = money(store)
    assert row["spend"] == spend


@pytest.mark.parametrize("by", ["campaign_id", "creative_id", "website", "placement"])
def test_attribution_has_the_spend_of_each_key(stored: Stored, by: str) -> None:
    """A click that is paid takes the key from its impression; so does a conversion, and what it cost."""
    shown = {"timestamp": "2026-01-05T09:00:00Z", "placement": "top"}
    store = shop(
        stored,
        flight(rate_type="cpc", rate="0.7"),
        impressions=[shown, {**shown, "user_id": "u9", "cost": 2, "currency": "EUR"}],
        clicks=[
            {"timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click"},
            {"timestamp": "2026-01-05T11:00:00Z", "campaign_id": "k1", "conversion_type": "purchase"},
        ],
    )
    costs = attribute(store, by=by, models=["first"]).table("costs")
    spent = performance(store, by=by).table("money").filter(pl.col("spend") != 0)

    assert (
        costs.select("currency", "spend", pl.first().alias("key")).rows()
        == spent.select("currency", "spend", pl.first().alias("key")).rows()
    )
    assert costs["spend"].sum() == Decimal("2.7")


def test_a_fee_is_spread_over_the_days_of_the_zone(stored: Stored) -> None:
    """Ten days cost 24: 0.1 an hour, until the last event."""
    store = shop(
        stored, flight(rate_type="fixed", rate="24"), impressions=[{"timestamp": "2026-01-03T12:00:00Z", "cost": 99}]
    )
    rows = money(store, Scope(zone="Europe/Berlin"), "day")
    assert [(row["day"], row["spend"]) for row in rows] == [
        (date(2026, 1, 1), Decimal("2.3")), (date(2026, 1, 2), Decimal("2.4")), (date(2026, 1, 3), Decimal("1.3")),
    ]  # fmt: skip
    whole = performance(store, Scope(until=datetime(2026, 2, 1)))
    assert whole.facts["spend"] == {"EUR": Decimal("6")}
    with pytest.raises(AnalysisError, match="no events"):
        performance(store, Scope(campaign="k2"))


def test_a_refund_counts_under_the_conversion_of_its_transaction(stored: Stored) -> None:
    sale = {"transaction_id": "t", "currency": "EUR"}
    refund = {"campaign_id": "k9", "conversion_type": "refund"}
    store = stored(
        clicks=[
            sale | {"timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "signup", "value": 30},
            sale | refund | {"timestamp": "2026-01-07T10:00:00Z", "value": -12},
            sale | refund | {"timestamp": "2026-01-07T11:00:00Z", "value": -1, "transaction_id": "other"},
        ]
    )  # fmt: skip
    found = {
        by: [(row[by], row["gross_revenue"], row["refunds"], row["revenue"]) for row in money(store, by=by)]
        for by in ("campaign_id", "conversion_type", "day")
    }
    assert found == {
        "campaign_id": [("k1", 30, 12, 18), ("k9", 0, 1, -1)],
        "conversion_type": [("refund", 0, 1, -1), ("signup", 30, 12, 18)],
        "day": [(date(2026, 1, 5), 30, 0, 30), (date(2026, 1, 7), 0, 13, -13)],
    }
    assert performance(store, Scope(campaign="k1")).facts["refunds"] == {"EUR": 12}


def test_a_refund_before_its_sale_has_the_impression_of_the_sale(stored: Stored) -> None:
    """Whatever the range: the sale may be after it."""
    sale = {"transaction_id": "t", "currency": "EUR", "campaign_id": "k1"}
    store = shop(
        stored,
        impressions=[{"timestamp": "2026-01-06T09:00:00Z", "creative_id": "c1", "website": "b.example"}],
        clicks=[
            sale | {"timestamp": "2026-01-06T10:00:00Z", "conversion_type": "signup", "value": 30},
            sale | {"timestamp": "2026-01-05T10:00:00Z", "conversion_type": "refund", "value": -12},
        ],
    )
    for scope in (Scope(), Scope(until=datetime(2026, 1, 6)), Scope(datetime(2026, 1, 5), datetime(2026, 1, 6))):
        refunds = {row["domain"]: row["refunds"] for row in money(store, scope, "website")}
        assert refunds == {"b.example": 12}


@pytest.mark.parametrize(
    ("by", "key"), [("day", date(2026, 3, 5)), ("week", date(2026, 3, 2)), ("month", date(2026, 3, 1))]
)
@pytest.mark.parametrize(
    "scope", [Scope(), Scope(datetime(2026, 2, 1), datetime(2026, 4, 1)), Scope(zone="Asia/Tokyo")]
)
@pytest.mark.parametrize("own", [{}, {"cost": 2, "currency": "EUR"}])
def test_impressions_of_one_moment_count_in_its_period(
    stored: Stored, by: str, key: date, scope: Scope, own: dict[str, Any]
) -> None:
    moment = {"timestamp": "2026-03-05T10:00:00Z"}
    store = stored(impressions=[moment | own, moment | {"user_id": "u2"}])
    (row,) = performance(store, scope, by=by).table("rows").to_dicts()
    assert (row[by], row["impressions"]) == (key, 2)


def test_a_key_with_money_alone_has_a_row(stored: Stored) -> None:
    """Then the rows add up to the totals: a fee without impressions, and a refund of an unknown transaction."""
    store = shop(
        stored,
        flight(campaign_id="k2", rate_type="fixed", rate="10"),
        impressions=[
            {"timestamp": f"2026-01-0{day}T12:00:00Z", "creative_id": "c1", "cost": 1, "currency": "EUR"}
            for day in (3, 7)
        ],
        clicks=[
            {"campaign_id": "k9", "conversion_type": "refund", "value": -2, "currency": "EUR", "transaction_id": "?"}
        ],
    )
    for by, amounts in (
        ("campaign_id", {"k1": (1, 0), "k2": (5, 0), "k9": (0, -2)}),
        ("conversion_type", {"refund": (0, -2), None: (6, 0)}),
    ):
        rows = performance(store, Scope(until=datetime(2026, 1, 6)), by=by).table("rows").to_dicts()
        assert {row[by]: (row["spend_EUR"] or 0, row["revenue_EUR"] or 0) for row in rows} == amounts
    days = performance(store, Scope(until=datetime(2026, 1, 6)), by="day").table("rows")
    assert days["spend_EUR"].sum() == performance(store, Scope(until=datetime(2026, 1, 6))).facts["spend"]["EUR"]


def test_the_ratios(stored: Stored) -> None:
    store = stored(
        impressions=[
            {"cost": "0.3", "currency": "EUR", "timestamp": f"2026-01-05T10:00:0{second}Z"} for second in range(4)
        ],
        clicks=[
            {"conversion_type": "click", "clicks": 3},
            {"conversion_type": "signup", "conversions": 2, "value": "7.2", "currency": "EUR"},
        ],
    )
    (row,) = money(store)
    assert (row["spend"], row["cpm"], row["cpc"], row["cpa"]) == (Decimal("1.2"), 300.0, 0.4, 0.6)
    assert (row["roas"], row["average_order_value"]) == (6.0, 3.6)


def test_spend_in_several_currencies_has_no_cost_per_something(stored: Stored) -> None:
    store = stored(
        impressions=[
            {"cost": 1, "currency": currency, "timestamp": f"2026-01-05T10:00:0{second}Z"}
            for second, currency in enumerate(["EUR", "USD"])
        ]
    )
    answer = performance(store)
    assert answer.table("money").select("currency", "spend", "cpm").rows() == [("EUR", 1, None), ("USD", 1, None)]
    assert any("several currencies" in note for note in answer.notes)


def test_the_previous_period_is_as_long_in_the_clock_time_of_the_zone(stored: Stored) -> None:
    """The week of 30 March 2025 in Berlin has an hour less than the week before it."""
    times = ["2025-03-16T22:59:59Z", "2025-03-16T23:00:00Z", "2025-03-23T22:30:00Z", "2025-03-23T23:00:00Z"]
    store = stored(impressions=[{"timestamp": time, "cost": 1, "currency": "EUR"} for time in times])
    scope = Scope(datetime(2025, 3, 23, 23), datetime(2025, 3, 30, 22), zone="Europe/Berlin")
    answer = performance(store, scope)
    assert answer.parameters["previous"] == [datetime(2025, 3, 16, 23), datetime(2025, 3, 23, 23)]
    assert (answer.facts["impressions"], answer.facts["previous"]["impressions"]) == (1, 2)
    assert answer.table("money").select("spend", "spend_previous").rows() == [(1, 2)]


@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_each_period_is_compared_with_the_one_before(stored: Stored, by: Any) -> None:
    days = [date(2026, 1, 1) + timedelta(days=7 * number) for number in range(7)]
    store = stored(impressions=[{"timestamp": f"{day}T12:00:00Z"} for day in days], clicks=[])
    rows = performance(store, by=by).table("rows").to_dicts()
    counts = {row[by]: row["impressions"] for row in rows}
    for row in rows:
        before = expected_period(datetime.combine(row[by], datetime.min.time()) - timedelta(days=1), by, "UTC")
        assert row["impressions_previous"] == counts.get(before, 0)
    scope = Scope(datetime(2026, 1, 29))
    first = performance(store, scope, by=by).table("rows").row(0, named=True)
    assert first["impressions_previous"] == counts.get(
        expected_period(datetime.combine(first[by], datetime.min.time()) - timedelta(days=1), by, "UTC"), 0
    )


@settings(max_examples=examples(20))
@given(
    st.lists(SHOWN, min_size=1, max_size=8), st.lists(CLICKED, max_size=6), st.lists(PLACED, max_size=4), flights(),
    st.lists(TIMES, min_size=1, max_size=3, unique=True).map(sorted),
)  # fmt: skip
def test_the_parts_of_a_range_add_up(
    impressions: Rows, clicks: Rows, bids: Rows, plan: Rows, cuts: list[datetime]
) -> None:
    with dataset(MOVING, campaign_rows(*plan), impressions=impressions, clicks=clicks, bids=bids) as data:
        whole = performance(data.store).facts
        sums: dict[str, dict[str, Decimal]] = {name: {} for name in ("spend", "revenue", "refunds")}
        counts = dict.fromkeys(("impressions", "clicks", "conversions", "impressions_without_cost"), 0)
        for since, until in pairwise([None, *cuts, None]):
            try:
                part = performance(data.store, Scope(since, until)).facts
            except AnalysisError:
                continue
            for name, amounts in sums.items():
                for currency, amount in part[name].items():
                    amounts[currency] = amounts.get(currency, Decimal(0)) + amount
            counts = {name: count + part[name] for name, count in counts.items()}
    assert counts == {name: whole[name] for name in counts}
    for name, amounts in sums.items():
        assert {c: a for c, a in amounts.items() if a} == {c: a for c, a in whole[name].items() if a}


@pytest.mark.parametrize("by", [None, "day", "week", "month"])
@pytest.mark.parametrize(("day", "zone"), [(1, "UTC"), (1, "Pacific/Kiritimati"), (2, "Pacific/Pago_Pago")])
def test_nothing_precedes_the_calendar(stored: Stored, by: str | None, day: int, zone: str) -> None:
    store = shop(stored, impressions=[{}])
    scope = Scope(datetime(1, 1, day), datetime(9999, 12, 30), zone=zone)
    assert performance(store, scope, by=by).parameters["previous"] is None


@pytest.mark.parametrize("by", ["hour", "value", "user_id", "transaction_id", "nothing", 7])
def test_what_cannot_be_grouped_by_is_an_error(stored: Stored, by: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"by \(--by\)"):
        performance(stored(impressions=[{}]), by=by)
