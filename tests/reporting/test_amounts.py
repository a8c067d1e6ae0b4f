"""Amounts have the digits of their currency, and what is left out is known."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.analysis.answer import Table
from advertisex.reporting.amounts import currency_in, digits_of, exact, format_amounts
from advertisex.reporting.columns import columns_of
from advertisex.reporting.facts import Card, cards_of

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**9), max_value=10**9)


def texts(currency: str | None, *amounts: str) -> list[str]:
    return format_amounts([Decimal(amount) for amount in amounts], [currency] * len(amounts))


@pytest.mark.parametrize(
    ("currency", "text"),
    [("EUR", "1,234.57"), ("JPY", "1,235"), ("KWD", "1,234.568"), ("XAU", "1,234.57"), ("eur", "1,234.57")],
)
def test_an_amount_has_the_digits_of_its_currency(currency: str, text: str) -> None:
    assert texts(currency, "1234.567890123456") == [text]


def test_the_amounts_of_a_currency_have_the_same_decimals() -> None:
    currencies = ["EUR", "JPY", "EUR", None, "JPY"]
    amounts = [Decimal("1.5"), Decimal("73.4"), Decimal(20), None, Decimal(0)]

    assert format_amounts(amounts, currencies) == ["1.50", "73", "20.00", "–", "0"]


def test_small_amounts_have_two_significant_digits() -> None:
    assert texts("EUR", "0.09481", "0.00312") == ["0.095", "0.003"]
    assert texts("EUR", "0.09", "0.05") == ["0.09", "0.05"]
    assert texts("JPY", "1.2891") == ["1.3"]


def test_an_amount_is_never_rounded_to_zero() -> None:
    assert texts("EUR", "12", "0.001", "-0.001", "0") == ["12.00", "<0.01", ">-0.01", "0.00"]
    assert texts("JPY", "12", "0.4") == ["12", "<1"]


@given(AMOUNTS, st.sampled_from(["EUR", "JPY", "KWD", None]))
def test_what_is_left_out_is_given_exactly(amount: Decimal, currency: str | None) -> None:
    (text,) = format_amounts([amount], [currency])

    shown = exact(amount, text) or text
    assert Decimal(shown.replace(",", "")) == amount
    if text[0] not in "<>":
        assert abs(Decimal(text.replace(",", "")) - amount) <= Decimal(1).scaleb(-digits_of(currency))


@pytest.mark.parametrize(
    ("column", "currency"),
    [("value_EUR", "EUR"), ("value_JPY_change", "JPY"), ("value", None), ("value_xyz", None), ("EUROS", None)],
)
def test_the_currency_of_a_column_is_in_its_name(column: str, currency: str | None) -> None:
    assert currency_in(column) == currency


def test_the_currency_of_a_row_is_in_its_column() -> None:
    amounts = pl.Series([Decimal("1.234"), Decimal("5.678")], dtype=pl.Decimal(38, 12))
    rows = pl.DataFrame({"currency": ["EUR", "KWD"], "value": amounts})

    assert list(columns_of(Table("t", "T", rows), 10))[1].cells == ["1.23", "5.678"]


def test_a_fact_of_money_is_one_card_and_comes_last() -> None:
    facts = {"counts": {"clicks": 1}, "value": {"EUR": Decimal("1.005"), "JPY": Decimal(7)}, "ctr": 0.5}

    assert cards_of(facts) == [
        Card("Clicks", [("1", "")]),
        Card("CTR", [("50.00 %", "")]),
        Card("Value", [("1.00 EUR", "1.005"), ("7 JPY", "")], is_money=True),
    ]


def test_the_name_of_a_nested_fact_follows_that_of_its_parent() -> None:
    assert [card.name for card in cards_of({"touches": {"clicks": 1}, "pearson": {"r": 0.5, "p": 0.5}})] == [
        "Touches: clicks",
        "Pearson r",
        "Pearson: p-value",
    ]
