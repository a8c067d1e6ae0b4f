"""Exact money: sums, splitting, and what is rejected because it might not be exact."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.attribution import credit, markov
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import relate
from advertisex.analysis.money import (
    by_currency,
    check_integers,
    check_sum,
    decimals,
    scaled,
    totals_by_currency,
    units,
)
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.feeds.feed import AMOUNT
from advertisex.model import MONEY
from tests.analysis.conftest import Stored

#: Amounts of up to 10¹⁸ with 12 places, in units of the last.
LARGEST = 10 ** (18 + MONEY)
UNITS = st.integers(-LARGEST, LARGEST) | st.sampled_from([0, 1, -1, LARGEST, LARGEST - 1])
Row = tuple[str | None, str | None, int | None]
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["EUR", "USD", None]), st.none() | UNITS), max_size=30
)
CREDITS = st.integers(0, LARGEST) | st.sampled_from([0, 1, LARGEST])


def exact(number: int) -> Decimal:
    with localcontext(prec=60):
        return Decimal(number) / 10**MONEY


def money(amounts: list[int | None]) -> pl.Series:
    return pl.Series("value", [None if amount is None else exact(amount) for amount in amounts], dtype=AMOUNT)


@given(ROWS)
def test_sums_and_their_parts_are_exact_for_every_currency(
    rows: list[tuple[str | None, str | None, int | None]],
) -> None:
    keys, currencies, amounts = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    frame = pl.DataFrame({"key": keys, "currency": currencies}, {"key": pl.String, "currency": pl.String})
    frame = frame.with_columns(money(amounts))

    whole = totals_by_currency(frame)
    parts = by_currency(frame, ["key"])

    for currency in ("EUR", "USD", None):
        own = [(key, amount) for key, name, amount in rows if name == currency and amount is not None]
        column = f"value_{currency}" if currency else "value"
        if not own:
            assert (currency or "") not in whole
            assert column not in parts.columns
            continue
        total = Fraction(sum(amount for _, amount in own), 10**MONEY)
        assert Fraction(whole[currency or ""]) == total
        assert sum(map(Fraction, parts[column].drop_nulls())) == total
        for key, found in parts.select("key", column).iter_rows():
            expected = [amount for name, amount in own if name == key]
            assert found == (exact(sum(expected)) if expected else None)


@given(st.lists(UNITS, min_size=1, max_size=9))
def test_units_and_decimals_are_inverse(numbers: list[int]) -> None:
    series = decimals(pl.Series("value", numbers, dtype=pl.Int128), MONEY)

    assert list(map(Fraction, series)) == [Fraction(number, 10**MONEY) for number in numbers]
    assert series.to_frame().select(units("value")).to_series().to_list() == numbers
    assert [Fraction(scaled(number, MONEY)) for number in numbers] == [Fraction(n, 10**MONEY) for n in numbers]


@given(st.lists(st.tuples(CREDITS, st.lists(st.integers(1, 10**12), min_size=1, max_size=9)), min_size=1, max_size=6))
def test_the_parts_of_a_conversion_add_up_and_are_the_nearest(conversions: list[tuple[int, list[int]]]) -> None:
    rows = [
        {"conversion": n, "units": value, "weight": weight}
        for n, (value, weights) in enumerate(conversions)
        for weight in weights
    ]
    frame = pl.DataFrame(rows, {"conversion": pl.Int64, "units": pl.Int128, "weight": pl.Int128})

    parts = frame.with_columns(part=credit.apportion(frame)).partition_by("conversion", maintain_order=True)

    for (value, weights), found in zip(conversions, parts, strict=True):
        assert found["part"].to_list() == nearest(value, weights)


@given(CREDITS, st.lists(st.floats(0.01, 1), min_size=1, max_size=9))
def test_the_parts_by_effect_add_up(value: int, effects: list[float]) -> None:
    parts = markov.apportion(value, np.array(effects))

    assert parts == nearest(value, [round(effect * 10**12) for effect in effects])


def nearest(value: int, weights: list[int]) -> list[int]:
    """The largest remainder method in fractions; ties go to the earlier part."""
    shares = [Fraction(value * weight, sum(weights)) for weight in weights]
    parts = [floor(share) for share in shares]
    for n in sorted(range(len(parts)), key=lambda n: (parts[n] - shares[n], n))[: value - sum(parts)]:
        parts[n] += 1
    assert sum(parts) == value
    return parts


# -- what might not be exact ---------------------------------------------------------------------------------------


def repeated(amount: str, count: int) -> pl.Series:
    return pl.Series([Decimal(amount)], dtype=AMOUNT).new_from_index(0, count)


def test_a_hundred_million_of_the_largest_amounts_may_overflow() -> None:
    """Polars reports no overflow of 128 bits, so nothing near it is summed up."""
    largest = repeated(str(10**18), 1000)

    check_sum(largest)
    check_sum(pl.concat([largest, repeated("0.1", 1)]))
    check_sum(repeated(str(10**25), 9))
    for sign in ("", "-"):
        with pytest.raises(AnalysisError, match="may overflow") as caught:
            check_sum(repeated(f"{sign}{10**25}", 10))
    assert caught.value.hint


def test_few_large_amounts_among_many_small_ones_are_summed_up() -> None:
    many = repeated("1", 100_000)
    one = repeated(str(10**22), 1)

    check_sum(pl.concat([many, one]))
    check_sum(pl.Series([None, None], dtype=AMOUNT))


def test_every_sum_by_currency_is_checked() -> None:
    rows = pl.DataFrame({"currency": ["EUR"] * 10, "value": repeated(str(10**25), 10)})
    for ask in (totals_by_currency, lambda frame: by_currency(frame, ["currency"])):
        with pytest.raises(AnalysisError, match="may overflow"):
            ask(rows)


def test_integers_that_may_exceed_128_bits_are_an_error() -> None:
    check_integers(2**126, 1)
    with pytest.raises(AnalysisError, match="may overflow") as caught:
        check_integers(2**126, 2)
    assert caught.value.hint


def test_products_of_counts_are_never_wrapped() -> None:
    """Three users with 9·10¹⁸ clicks each: the sum of squares has more than 127 bits."""
    totals = pl.DataFrame({"user_id": ["a", "b", "c"], "clicks": [9 * 10**18] * 3, "conversions": [1, 2, 3]})

    with pytest.raises(AnalysisError, match="may overflow"):
        relate(totals)


# -- from the store to the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("amounts", "median"), [([3, 1, 2, 4], 2), ([5, 1, 9], 5), ([2, 2], 2), ([7], 7)])
def test_the_median_is_the_lower_middle_of_the_amounts(stored: Stored, amounts: list[int], median: int) -> None:
    placed = [{"user_id": f"u{n}", "amount": f"{amount}.000000000001"} for n, amount in enumerate(amounts)]

    found = bids(stored(bids=placed)).table("amounts").row(0, named=True)

    assert found["median"] == exact(median * 10**MONEY + 1)


def test_large_sums_are_written_with_all_digits() -> None:
    amount = "99999999999999999999999999.123456789012"
    rows = pl.DataFrame({"key": ["k"], "value": pl.Series([Decimal(amount)], dtype=AMOUNT)})
    whole = pl.DataFrame({"key": ["k"], "value": pl.Series([Decimal(10**25)], dtype=AMOUNT)})
    tables = [Table("rows", "Rows", rows), Table("whole", "Whole", whole)]
    answer = Answer("test", "test/1", Scope(), {}, {}, facts={"value": {"EUR": Decimal(amount)}}, tables=tables)

    assert str(answer.to_json()).count(f": {amount}") == 2
    assert f": {10**25}\n" in str(answer.to_json())
    assert answer.to_csv() == f"key,value\r\nk,{amount}\r\n"
    assert str(answer.to_html()).count("99,999,999,999,999,999,999,999,999.123456789012") == 2
