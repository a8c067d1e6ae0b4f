"""Converted amounts equal fractions, invalid traffic is left out of every question, and the gross stands beside."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.funnel import funnel
from advertisex.analysis.pacing.report import pacing
from advertisex.analysis.performance.report import performance
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach.report import reach
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.analysis.views.asking import Conversion, ask
from advertisex.analysis.views.converted import Converted
from advertisex.analysis.views.rates import RATE_COLUMNS, Rates, read_rates
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.reporting.columns import columns_of
from advertisex.stores.contract import EventStore, Range
from tests.analysis.small_worlds import BIDS, START, Rows, dataset
from tests.budget import examples
from tests.catalogues import campaign_rows

Stored = Callable[..., EventStore]
PLACES = 10**12


def rates(*rows: tuple[str, str, str, str]) -> Rates:
    found = [(date.fromisoformat(day), of, to, Decimal(rate)) for day, of, to, rate in rows]
    return Rates(pl.DataFrame(found, schema=RATE_COLUMNS, orient="row"))


def every_day(**factors: str) -> Rates:
    days = [START.date() + timedelta(days=number) for number in range(-2, 40, 7)]
    return rates(*((str(day), "EUR", currency, rate) for day in days for currency, rate in factors.items()))


# -- conversion --------------------------------------------------------------------------------------------------


def rounded(amount: Any, factor: Fraction) -> Fraction:
    return Fraction(round(Fraction(amount) * factor * PLACES), PLACES)


@settings(max_examples=examples(60))
@given(
    st.lists(BIDS, min_size=1, max_size=12),
    st.sampled_from(["1.08", "0.000000000003", "3", "123456.123456789012", "999999999999"]),
    st.booleans(),
)
def test_amounts_equal_fractions(placed: Rows, rate: str, inverse: bool) -> None:
    known = every_day(USD=rate) if inverse else Rates(every_day(USD=rate).rows.rename({"from": "to", "to": "from"}))
    factor = 1 / Fraction(rate) if inverse else Fraction(rate)
    with dataset(bids=placed) as data:
        view = Converted(data.store, known, "EUR")
        names = ["event_id", "amount", "currency"]
        before = {row["event_id"]: row for frame in data.store.scan("bids", names, Range()) for row in frame.to_dicts()}
        try:
            after = {row["event_id"]: row for frame in view.scan("bids", names, Range()) for row in frame.to_dicts()}
        except pl.exceptions.PolarsError:  # it has more digits than an amount
            assert any(rounded(row["amount"] or 0, factor) >= 10**26 for row in before.values())
            return
    assert after.keys() == before.keys()
    for event, row in before.items():
        is_foreign = row["currency"] == "USD" and row["amount"] is not None
        expected = rounded(row["amount"], factor) if is_foreign else row["amount"]
        assert after[event]["currency"] == ("EUR" if is_foreign else row["currency"])
        assert after[event]["amount"] == (None if expected is None else Fraction(expected))


@pytest.mark.parametrize(("amount", "half_even"), [("0.000000000001", "0"), ("0.000000000003", "0.000000000002")])
def test_halves_are_rounded_to_even_on_either_side_of_zero(stored: Stored, amount: str, half_even: str) -> None:
    row = {"currency": "USD", "conversion_type": "signup", "value": amount, "transaction_id": "t"}
    refund = row | {"conversion_type": "refund", "value": f"-{amount}"}
    view = Converted(stored(clicks=[row, refund]), rates(("2026-01-05", "USD", "EUR", "0.5")), "EUR")
    values = [value for frame in view.scan("clicks", ["value"], Range()) for value in frame["value"]]
    assert sorted(values) == [-Decimal(half_even), Decimal(half_even)]


def test_a_day_has_the_rate_of_the_zone_or_the_latest_within_a_week(stored: Stored) -> None:
    times = ["2026-01-05T22:59:59Z", "2026-01-05T23:00:00Z", "2026-01-12T22:00:00Z"]
    store = stored(impressions=[{"timestamp": time, "cost": 10, "currency": "USD"} for time in times])
    known = rates(("2026-01-05", "USD", "EUR", "2"), ("2026-01-06", "USD", "EUR", "3"))
    rows = performance(Converted(store, known, "EUR", "Europe/Berlin"), Scope(zone="Europe/Berlin"), by="day")
    assert rows.table("money").select("day", "spend").rows() == [
        (date(2026, 1, 5), 20), (date(2026, 1, 6), 30), (date(2026, 1, 12), 30),
    ]  # fmt: skip
    with pytest.raises(AnalysisError, match="no rate from USD to EUR on 2026-01-12, nor in the 7 days before"):
        performance(Converted(store, rates(("2026-01-04", "USD", "EUR", "2")), "EUR"))


def test_the_direct_rate_comes_before_the_inverse(stored: Stored) -> None:
    store = stored(impressions=[{"cost": 10, "currency": "USD"}])
    both = rates(("2026-01-05", "EUR", "USD", "4"), ("2026-01-05", "USD", "EUR", "0.3"))
    assert performance(Converted(store, both, "EUR")).facts["spend"] == {"EUR": 3}
    inverse = rates(("2026-01-05", "EUR", "USD", "4"))
    assert performance(Converted(store, inverse, "EUR")).facts["spend"] == {"EUR": Decimal("2.5")}


def test_flights_are_converted_by_the_rate_of_their_first_day(stored: Stored) -> None:
    store = stored()
    flight = {"campaign_id": "k", "start": datetime(2026, 1, 5), "end": datetime(2026, 2, 1), "budget": "8",
              "rate_type": "cpm", "rate": "2", "currency": "USD"}  # fmt: skip
    store.import_catalogue(store.catalogue(), campaign_rows(flight))
    known = rates(("2026-01-05", "USD", "EUR", "0.5"), ("2026-01-06", "USD", "EUR", "9"))
    (row,) = Converted(store, known, "EUR").campaigns().to_dicts()
    assert (row["budget"], row["rate"], row["currency"]) == (4, 1, "EUR")


def test_every_question_answers_in_one_currency(stored: Stored) -> None:
    bid = {"auction_id": "x", "amount": 4, "currency": "USD"}
    store = stored(
        impressions=[{"auction_id": "x"}],
        bids=[bid],
        clicks=[{"conversion_type": "signup", "value": 6, "currency": "GBP"}],
    )
    known = Conversion("EUR", every_day(USD="2", GBP="0.5"), "rates.csv")
    found = {question: ask(question, store, conversion=known) for question in (performance, bids, funnel, summarise)}
    assert found[performance].facts["spend"] == {"EUR": 2}
    assert found[bids].facts["bid_value_won"] == {"EUR": 2}
    assert found[funnel].facts["value"] == found[summarise].facts["value"] == {"EUR": 12}
    for answer in found.values():
        assert (answer.parameters["currency"], answer.parameters["rates"]) == ("EUR", "rates.csv")
    assert ask(funnel, store).facts["value"] == {"GBP": 6}
    assert "currency" not in ask(funnel, store).parameters


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("date,from,to\n", "missing column in the rates: rate"),
        ("date,from,to,rate\n2026-01-32,EUR,USD,1\n", "invalid date '2026-01-32'"),
        ("date,from,to,rate\n2026-1-3,EUR,USD,1\n", "invalid date '2026-1-3'"),
        ("date,from,to,rate\n2026-01-03,EUR,Usd,1\n", "unknown currency 'Usd'"),
        ("date,from,to,rate\n2026-01-03,EUR,EUR,1\n", "a rate from a currency to itself"),
        ("date,from,to,rate\n2026-01-03,EUR,USD,0\n", "invalid rate '0'"),
        ('date,from,to,rate\n2026-01-03,EUR,USD,"1,08"\n', "invalid rate '1,08'"),
        ("date,from,to,rate\n2026-01-03,EUR,USD,-1\n", "invalid rate '-1'"),
        (
            "date,from,to,rate\n2026-01-03,EUR,USD,1\n2026-01-03,EUR,USD,1.1\n",
            "a second rate of the same currencies and day .*:3",
        ),
    ],
)
def test_an_invalid_file_of_rates_is_reported(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "rates.csv").write_text(text)
    with pytest.raises(ConfigurationError, match=named.replace("(", r"\(")):
        read_rates(tmp_path / "rates.csv")


def test_rates_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text("rate,to,from,date,source\n1.0843,USD,EUR,2026-01-03,ECB\n")
    expected = rates(("2026-01-03", "EUR", "USD", "1.0843"))
    assert read_rates(tmp_path / "rates.csv").rows.equals(expected.rows)


# -- valid traffic -----------------------------------------------------------------------------------------------

CRAWLER = {"user_agent": "Googlebot/2.1"}
SHOWN = [{"timestamp": f"2026-01-05T10:00:{second:02}Z"} | (CRAWLER if second % 3 == 0 else {}) for second in range(9)]
CLICKED = [
    {"timestamp": f"2026-01-05T11:00:{second:02}Z", "conversion_type": "click"} | (CRAWLER if second % 2 else {})
    for second in range(4)
]


@pytest.mark.parametrize("question", [summarise, funnel, performance, reach, correlate])
def test_a_question_about_valid_traffic_is_that_about_a_store_without_the_rest(stored: Stored, question: Any) -> None:
    store = stored(impressions=SHOWN, clicks=CLICKED)
    answer = ask(question, store, valid_only=True)
    with dataset(
        impressions=[dict(_good("impressions"), **row) for row in SHOWN if row.keys().isdisjoint(CRAWLER)],
        clicks=[dict(_good("clicks"), **row) for row in CLICKED if row.keys().isdisjoint(CRAWLER)],
    ) as data:
        clean = question(data.store)
    gross = question(store)
    valid = {name: value for name, value in answer.facts.items() if name not in ("gross", "unknown_creatives")}
    assert valid == clean.facts
    assert answer.computed_from == clean.computed_from
    assert answer.facts["gross"] == gross.facts != clean.facts
    assert answer.parameters["left_out"] == {"clicks": 2, "impressions": 3}


def _good(feed: str) -> dict[str, Any]:
    from tests.analysis.conftest import GOOD

    return GOOD[feed]


def test_the_gross_numbers_stand_beside_the_valid_ones(stored: Stored) -> None:
    store = stored(impressions=[row | {"cost": 2, "currency": "EUR"} for row in SHOWN], clicks=CLICKED)
    rows = ask(lambda view, scope: performance(view, scope, by="day"), store, valid_only=True).table("rows")
    (row,) = rows.to_dicts()
    assert (row["impressions"], row["impressions_gross"]) == (6, 9)
    assert (row["clicks"], row["clicks_gross"]) == (2, 4)
    assert (row["spend_EUR"], row["spend_EUR_gross"]) == (12, 18)


def test_gross_money_stands_beside_even_if_its_sources_differ(stored: Stored) -> None:
    """Only crawlers saw ads with a clearing price."""
    shown = [
        row | ({"clearing_price": 5000} if CRAWLER.keys() <= row.keys() else {"cost": 2}) | {"currency": "EUR"}
        for row in SHOWN
    ]
    (row,) = ask(performance, stored(impressions=shown), valid_only=True).table("money").to_dicts()
    assert (row["cost_sources"], row["spend"], row["spend_gross"]) == ("cost", 12, 27)


def test_gross_counts_of_pacing_are_shown_as_counts(stored: Stored) -> None:
    store = stored(impressions=SHOWN)
    creatives = store.catalogue().clear()
    creatives = pl.DataFrame(
        {"creative_id": ["c1"], "campaign_id": ["k1"], "advertiser_id": ["a"], "valid_from": [None]},
        schema=creatives.schema,
    )
    flight = {"campaign_id": "k1", "start": datetime(2026, 1, 5), "end": datetime(2026, 1, 15), "impressions": 90}
    store.import_catalogue(creatives, campaign_rows(flight))
    answer = ask(pacing, store, valid_only=True)
    cells = {column.name: list(column.cells) for column in columns_of(answer.tables[0], 9)}
    assert (cells["delivered"], cells["delivered_gross"]) == (["6"], ["9"])


def test_whether_an_event_is_valid_does_not_depend_on_the_range(stored: Stored) -> None:
    store = stored(impressions=SHOWN, clicks=CLICKED)
    middle = datetime(2026, 1, 5, 10, 0, 5)
    parts = [ask(summarise, store, scope, valid_only=True) for scope in (Scope(until=middle), Scope(middle))]
    whole = ask(summarise, store, valid_only=True)
    assert sum(part.facts["counts"]["impressions"] for part in parts) == whole.facts["counts"]["impressions"] == 6


def test_the_refund_of_an_invalid_conversion_is_left_out_with_it(stored: Stored) -> None:
    sold = {"conversion_type": "purchase", "conversions": 1, "currency": "EUR"}
    refund = {"conversion_type": "refund", "conversions": 0, "clicks": 0, "currency": "EUR"}
    rows = [
        sold | CRAWLER | {"value": 50, "transaction_id": "t1"},
        sold | {"value": 20, "transaction_id": "t2"},
        sold | CRAWLER | {"value": 5, "transaction_id": "t2"},  # not the first of its transaction
        refund | {"value": -10, "transaction_id": "t1"},
        refund | {"value": -3, "transaction_id": "t2"},
        refund | {"value": -1},
    ]
    clicks = [row | {"timestamp": f"2026-01-05T12:0{minute}:00.5Z"} for minute, row in enumerate(rows)]
    answer = ask(performance, stored(clicks=clicks), valid_only=True)
    assert (answer.facts["gross_revenue"], answer.facts["refunds"]) == ({"EUR": 20}, {"EUR": 4})
    assert answer.facts["gross"]["refunds"] == {"EUR": 14}
    assert answer.parameters["left_out"] == {"clicks": 3}


def test_general_and_sophisticated_invalid_traffic_are_reported_apart(stored: Stored) -> None:
    fast = [{"timestamp": f"2026-01-05T12:00:00.{tenth}Z", "conversion_type": "click"} for tenth in range(6)]
    answer = quality(stored(impressions=SHOWN, clicks=[*CLICKED, *fast]))
    kinds = {row["reason"]: row["kind"] for row in answer.table("suspected").to_dicts()}
    assert kinds["crawler"] == "general"
    assert kinds["impossible_speed"] == kinds["rate_outlier"] == kinds["instant_click"] == "sophisticated"
    assert answer.facts["invalid_events"] == {
        "general": {"clicks": 2, "impressions": 3}, "sophisticated": {"clicks": 6, "impressions": 0},
    }  # fmt: skip
