"""Sums that are exact: money in millionths, credits in billionths, added up as whole numbers.

So a sum depends neither on the order of the events nor on the store, and shares add up to what was shared. An amount
is rounded to the nearest millionth of its unit first, which changes nothing that is given with six decimals or fewer.
"""

from collections.abc import Sequence
from decimal import Decimal

import polars as pl

#: Decimal places of money, and of credits.
MONEY, CREDIT = 6, 9


def micros(amount: str) -> pl.Expr:
    """A column of money (Float64) in millionths (Int64); null where there is none."""
    exact: pl.Expr = (pl.col(amount) * 10**MONEY).round().cast(pl.Int64)
    return exact


def total(column: str) -> pl.Expr:
    """The sum of whole numbers, in 128 bits."""
    return pl.col(column).cast(pl.Int128).sum()


def decimals(numbers: pl.Series, places: int) -> pl.Series:
    """Whole numbers of 10⁻ᵖˡᵃᶜᵉˢ each, as Decimal(38, places)."""
    made = [None if number is None else Decimal(number).scaleb(-places) for number in numbers]
    return pl.Series(numbers.name, made, dtype=pl.Decimal(38, places))


def by_currency(rows: pl.DataFrame, keys: Sequence[str], amount: str = "value") -> pl.DataFrame:
    """Money added up by some keys, a column for each currency.

    Args:
        rows: the keys, `currency` (String, null where none was sent), and the amount in millionths (Int64).
        keys: columns to group by; none gives one row where there is any.
        amount: the column that holds the amount; rows without one are left out.

    Returns:
        The keys, sorted, and for each currency `amount_CURRENCY` as Decimal, `amount` for that of no currency; null
        where a key has none of that currency.
    """
    sums = rows.drop_nulls(amount).group_by(*keys, "currency").agg(total(amount))
    made = sums.select(keys).unique().sort(keys, nulls_last=True) if keys else pl.DataFrame(height=min(1, sums.height))
    for currency in sums["currency"].unique().sort(nulls_last=False):
        name = amount if currency is None else f"{amount}_{currency}"
        found = sums.filter(pl.col("currency").eq_missing(pl.lit(currency, pl.String))).select(*keys, amount)
        found = found.with_columns(decimals(found[amount], MONEY).alias(name)).select(*keys, name)
        if keys:
            made = made.join(found, on=keys, how="left", nulls_equal=True, maintain_order="left")
        else:
            made = made.with_columns(found[name])
    return made


def totals_by_currency(rows: pl.DataFrame, amount: str = "value") -> dict[str, Decimal]:
    """Money added up, by currency ("" where none was sent), sorted; of rows as `by_currency` takes them."""
    sums = rows.drop_nulls(amount).group_by(pl.col("currency").fill_null("")).agg(total(amount)).sort("currency")
    return {currency: Decimal(number).scaleb(-MONEY) for currency, number in sums.iter_rows()}
