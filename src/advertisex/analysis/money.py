"""Exact sums: money in millionths and credits in billionths, added up as integers.

So a sum depends neither on the order of the events nor on the store, and split amounts add up to the original. Amounts
are first rounded to the nearest millionth, which changes nothing with up to six decimal places.
"""

from collections.abc import Sequence
from decimal import Decimal

import polars as pl

from advertisex.model import MONEY


def micros(amount: str) -> pl.Expr:
    """Convert a column of money (Float64) to millionths (Int64); nulls stay null."""
    exact: pl.Expr = (pl.col(amount) * 10**MONEY).round().cast(pl.Int64)
    return exact


def total(column: str) -> pl.Expr:
    """The sum of an integer column, in 128 bits."""
    return pl.col(column).cast(pl.Int128).sum()


def decimals(numbers: pl.Series, places: int) -> pl.Series:
    """Convert integers in units of 10⁻ᵖˡᵃᶜᵉˢ to Decimal(38, places)."""
    result = [None if number is None else Decimal(number).scaleb(-places) for number in numbers]
    return pl.Series(numbers.name, result, dtype=pl.Decimal(38, places))


def by_currency(rows: pl.DataFrame, keys: Sequence[str], amount: str = "value") -> pl.DataFrame:
    """Sum up money by key, with one column for each currency.

    Args:
        rows: the keys, `currency` (String, null if none was sent), and the amount in millionths (Int64).
        keys: columns to group by; without any, the result has one row, or none without amounts.
        amount: the amount column; rows without an amount are ignored.

    Returns:
        The keys, sorted, and for each currency `amount_CURRENCY` as Decimal, or `amount` for amounts without a
        currency; null if a key has no amount in that currency.
    """
    sums = rows.drop_nulls(amount).group_by(*keys, "currency").agg(total(amount))
    result = (
        sums.select(keys).unique().sort(keys, nulls_last=True) if keys else pl.DataFrame(height=min(1, sums.height))
    )
    for currency in sums["currency"].unique().sort(nulls_last=False):
        name = amount if currency is None else f"{amount}_{currency}"
        column = sums.filter(pl.col("currency").eq_missing(pl.lit(currency, pl.String))).select(*keys, amount)
        column = column.with_columns(decimals(column[amount], MONEY).alias(name)).select(*keys, name)
        if keys:
            result = result.join(column, on=keys, how="left", nulls_equal=True, maintain_order="left")
        else:
            result = result.with_columns(column[name])
    return result


def totals_by_currency(rows: pl.DataFrame, amount: str = "value") -> dict[str, Decimal]:
    """Sum up money by currency ("" if none was sent), sorted; takes rows like `by_currency`."""
    sums = rows.drop_nulls(amount).group_by(pl.col("currency").fill_null("")).agg(total(amount)).sort("currency")
    return {currency: Decimal(number).scaleb(-MONEY) for currency, number in sums.iter_rows()}
