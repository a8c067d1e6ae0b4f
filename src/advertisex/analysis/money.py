"""Exact sums of money, by currency.

Amounts are decimals with 12 places, and so are their sums: they depend neither on the order of the events nor on the
store, and the parts of an amount add up to it.
"""

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import polars as pl

from advertisex.errors import AnalysisError
from advertisex.feeds.feed import AMOUNT
from advertisex.model import MONEY

#: Sums are exact below this; Polars does not report the overflow of a sum by group.
_LIMIT = 10**26

#: Sums of integers are exact below this.
_INTEGERS = 2**127

#: Digits of a Decimal(38); Python's default of 28 would round.
_DIGITS = Context(prec=38)

#: What a row of the clicks feed is worth: the value of its conversions, less what a refund returns; null if neither. A
#: value is negative only in a refund.
NET = pl.when((pl.col("conversions") > 0) | (pl.col("value") < 0)).then("value").alias("value")

#: The same without refunds: 0 for a refund, so that its currency is not missing beside the net value.
GROSS = NET.clip(lower_bound=0).alias("gross_value")


def units(amount: str) -> pl.Expr:
    """A column of money as integers (Int128) in units of its last decimal place, to split it exactly."""
    exact: pl.Expr = pl.col(amount).to_physical()
    return exact


def total(column: str) -> pl.Expr:
    """The sum of an integer column, in 128 bits; for a column that may be large, use `check_integers` before."""
    return pl.col(column).cast(pl.Int128).sum()


def scaled(units: int, places: int) -> Decimal:
    """Convert an integer in units of 10⁻ᵖˡᵃᶜᵉˢ to a decimal, with all its digits."""
    return Decimal(units).scaleb(-places, _DIGITS)


def decimals(numbers: pl.Series, places: int) -> pl.Series:
    """Convert integers in units of 10⁻ᵖˡᵃᶜᵉˢ to Decimal(38, places)."""
    result = [None if number is None else scaled(number, places) for number in numbers]
    return pl.Series(numbers.name, result, dtype=pl.Decimal(38, places))


def check_sum(amounts: pl.Series) -> None:
    """Check that any sum of these amounts is exact.

    Raises:
        AnalysisError: the sum of their absolute values may have more than 26 digits before the decimal point.
    """
    largest: Any = amounts.abs().max()
    if largest is None or int(largest) * len(amounts) < _LIMIT // 2:
        return
    # few amounts are large: sum up their whole units, which cannot overflow
    whole = amounts.abs().to_frame("amount").select(units("amount") // 10**MONEY + 1).to_series()
    if int(whole.sum()) >= _LIMIT:
        raise AnalysisError(
            f"the sum of {len(amounts):,} amounts of up to {largest:,.0f} may overflow", hint="narrow the range"
        )


def check_integers(largest: int, count: int) -> None:
    """Check that any sum of `count` integers of at most this absolute value is exact in 128 bits.

    Raises:
        AnalysisError: it may not be.
    """
    if largest * count >= _INTEGERS:
        raise AnalysisError(f"the sum of {count:,} numbers of up to {largest:,} may overflow", hint="narrow the range")


def by_currency(rows: pl.DataFrame, keys: Sequence[str], amount: str = "value") -> pl.DataFrame:
    """Sum up money by key, with one column for each currency.

    Args:
        rows: the keys, `currency` (String, null if none was sent), and the amount (Decimal).
        keys: columns to group by; without any, the result has one row, or none without amounts.
        amount: the amount column; rows without an amount are ignored.

    Returns:
        The keys, sorted, and for each currency `amount_CURRENCY` as Decimal(38, 12), or `amount` for amounts without a
        currency; null if a key has no amount in that currency.

    Raises:
        AnalysisError: a sum may overflow.
    """
    check_sum(rows[amount])
    sums = rows.drop_nulls(amount).group_by(*keys, "currency").agg(pl.col(amount).sum())
    result = (
        sums.select(keys).unique().sort(keys, nulls_last=True) if keys else pl.DataFrame(height=min(1, sums.height))
    )
    for currency in sums["currency"].unique().sort(nulls_last=False):
        name = amount if currency is None else f"{amount}_{currency}"
        column = sums.filter(pl.col("currency").eq_missing(pl.lit(currency, pl.String))).select(
            *keys, pl.col(amount).cast(AMOUNT).alias(name)
        )
        if keys:
            result = result.join(column, on=keys, how="left", nulls_equal=True, maintain_order="left")
        else:
            result = result.with_columns(column[name])
    return result


def totals_by_currency(rows: pl.DataFrame, amount: str = "value") -> dict[str, Decimal]:
    """Sum up money by currency ("" if none was sent), sorted; takes rows like `by_currency`.

    Raises:
        AnalysisError: a sum may overflow.
    """
    check_sum(rows[amount])
    sums = rows.drop_nulls(amount).group_by(pl.col("currency").fill_null("")).agg(pl.col(amount).sum())
    return dict(sums.sort("currency").iter_rows())
