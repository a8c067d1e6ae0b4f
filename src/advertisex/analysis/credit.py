"""Credit: how the rule-based models part a conversion among the touches of its journey.

A model gives each touch a weight, a whole number; a touch's share is its weight by the sum of them. What is shared
are whole units: billionths of a conversion, millionths of money. By the largest remainder method (A. Hamilton,
1792) each touch gets the whole units of its share, and those that are left go one each to the largest fractions,
of equal ones to the earlier touch. So shares add up to what was shared, exactly.
"""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from advertisex.analysis.exact import CREDIT, total
from advertisex.analysis.shapley import weight as shapley
from advertisex.errors import AnalysisError

#: Weights of time decay are taken to so many decimal places, relative to the touch that is nearest to the conversion.
_DECAY_PLACES = 12

_AT, _OF = pl.col("at"), pl.col("of")


def weights(half_life: timedelta) -> Mapping[str, pl.Expr]:
    """For each model the weight of a touch (Int64), over the columns of `journeys`.

    first, last: all to that touch. last_click: all to the last click, or to the last view where there is no click.
    linear: the same to each. time_decay: half as much for each half-life of age. position: 40 % to the first, 40 % to
    the last, 20 % to those between, equally; where there are none, first and last share alike. shapley: see there.
    """
    last_click = pl.when("click").then(_AT).max().over("conversion").fill_null(_OF - 1)
    ages = pl.col("age") - pl.col("age").min().over("conversion")
    decay = pl.lit(2.0).pow(-ages / (half_life // timedelta(microseconds=1)))
    is_end = (_AT == 0) | (_AT == _OF - 1)
    return {
        "first": (_AT == 0).cast(pl.Int64),
        "last": (_AT == _OF - 1).cast(pl.Int64),
        "last_click": (last_click == _AT).cast(pl.Int64),
        "linear": pl.lit(1, pl.Int64),
        "time_decay": (decay * 10**_DECAY_PLACES + 0.5).floor().cast(pl.Int64),
        "position": pl.when(is_end & (_OF > 2)).then(2 * (_OF - 2)).otherwise(1).cast(pl.Int64),
        "shapley": shapley(),
    }


def credited(journeys: pl.DataFrame, weight: pl.Expr) -> pl.DataFrame:
    """Part conversions and their value among keys.

    Args:
        journeys: as of `journeys`.
        weight: of each touch; at least one of a conversion is above 0.

    Returns:
        key, currency, credit (Int128, billionths) and value (Int128, millionths), one row for each key and currency.
    """
    rows = (
        journeys.select("conversion", "key", "currency", "value", "conversions", weight=weight)
        .filter(pl.col("weight") > 0)
        .with_columns(pl.col("weight").cast(pl.Int128), credit=pl.col("conversions") * 10**CREDIT)
    )
    shares = [
        shared(rows.select("conversion", "weight", units=pl.col(name))).alias(name) for name in ("credit", "value")
    ]
    return rows.with_columns(shares).group_by("key", "currency").agg(pl.col("credit", "value").sum())


def check_sums(shares: pl.DataFrame, conversions: pl.DataFrame, model: str) -> None:
    """Refuse shares that do not add up to what was shared: no bill is better than a wrong one.

    Args:
        shares: what the model gives, with the columns of `credited`.
        conversions: conversions, value and currency of what was shared.
        model: its name.

    Raises:
        AnalysisError: they do not.
    """
    due = conversions.select(
        "currency", credit=pl.col("conversions").cast(pl.Int128) * 10**CREDIT, value=pl.col("value").cast(pl.Int128)
    )
    if _sums(shares) != _sums(due):
        raise AnalysisError(
            f"the credits of the model {model} do not add up to the conversions", hint="please report this"
        )


def _sums(rows: pl.DataFrame) -> tuple[int, dict[str | None, int]]:
    """Credit, and value by currency where there is any."""
    value = rows.group_by("currency").agg(total("value")).filter(pl.col("value") != 0)
    return int(rows.select(total("credit")).item()), dict(value.iter_rows())


def shared(rows: pl.DataFrame) -> pl.Series:
    """Share whole units by weight, with the largest remainder method.

    Args:
        rows: conversion, weight (Int128, above 0), units (Int64: the conversion's, the same in each of its rows, or
            null), in the order in which ties are broken.

    Returns:
        The units of each row (Int128), null where there were none to share.
    """
    product = pl.col("units").cast(pl.Int128) * pl.col("weight")
    whole = pl.col("weight").sum().over("conversion")
    parts = rows.with_row_index("row").with_columns(share=product // whole, rest=product % whole)
    over = (
        parts.with_columns(left=pl.col("units") - pl.col("share").sum().over("conversion"))
        .filter((pl.col("left") > 0) & (pl.col("rest") > 0))
        .sort("conversion", "rest", "row", descending=[False, True, False])
    )
    number = pl.int_range(pl.len()).over("conversion")
    lucky = over.filter(number < pl.col("left"))["row"]
    return parts["share"] + pl.zeros(rows.height, pl.Int128, eager=True).scatter(lucky, 1)
