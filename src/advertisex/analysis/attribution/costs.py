"""What each key cost, and what that is for each conversion and each amount that a model credits to it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.analysis.cost import COST
from advertisex.analysis.money import decimals, scaled
from advertisex.analysis.performance.spend import Spend
from advertisex.analysis.performance.tables import ratios
from advertisex.model import CREDIT, MONEY


def cost_rows(spent: Spend, credited: pl.DataFrame, models: Sequence[str]) -> pl.DataFrame:
    """Return the spend of each key beside what the models credit to it.

        cpa_MODEL    spend / credited conversions
        roas_MODEL   credited value / spend, in one currency

    Both are null for a key whose spend is in several currencies: none of them is all that it cost.

    Args:
        spent: the spend of the scope, under the same key.
        credited: the credits of all models: key (String), currency, credit, value (Int128) and model.
        models: the models.

    Returns:
        key, currency, spend (Decimal(38, 15)), and cpa and roas of each model (f64), one row for each key and currency
        with spend; ordered by key (null last) and currency (null first).
    """
    spend = spent.charges.group_by("key", "currency").agg(pl.col("charge").sum())
    spend = spend.with_columns(is_only=pl.len().over("key") == 1)
    rows = spend.sort(pl.col("key").is_null(), "key", pl.col("currency").is_not_null(), "currency")
    charge = [units if only else None for units, only in rows.select("charge", "is_only").iter_rows()]
    columns = []
    for model in models:
        own = credited.filter(pl.col("model") == model)
        credit = _beside(rows, own, ["key"], "credit")
        value = _beside(rows, own, ["key", "currency"], "value")
        paid = [None if units is None else units * 10**CREDIT for units in charge]
        earned = [units * 10 ** (COST - MONEY) for units in value]
        columns += [
            pl.Series(f"cpa_{model}", ratios(paid, [units * 10**COST for units in credit]), pl.Float64),
            pl.Series(f"roas_{model}", ratios(earned, [units or 0 for units in charge]), pl.Float64),
        ]
    return rows.select("key", "currency", decimals(rows["charge"], COST).alias("spend"), *columns)


def _beside(rows: pl.DataFrame, credited: pl.DataFrame, keys: list[str], amount: str) -> list[int]:
    """The amount that is credited to each row, in the units of `credited`."""
    sums = credited.group_by(keys).agg(pl.col(amount).sum())
    found = rows.select(keys).join(sums, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return found[amount].fill_null(0).to_list()


def spend_of(spent: Spend) -> dict[str, Decimal]:
    """The spend by currency ("" if none was given), sorted."""
    sums: dict[str, Any] = dict(
        spent.charges.group_by(pl.col("currency").fill_null("")).agg(pl.col("charge").sum()).iter_rows()
    )
    return {currency: scaled(sums[currency], COST) for currency in sorted(sums)}
