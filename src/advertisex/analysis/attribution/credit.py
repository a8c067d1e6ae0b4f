"""Credit: how the rule-based models split a conversion among the touches of its journey.

A model gives each touch an integer weight; a touch's quota is its weight divided by the sum of weights. Credit is split
in integer units: billionths of a conversion, and the last decimal place of money. By the largest remainder method
(A. Hamilton, 1792), each touch gets the integer part of its quota, and the remaining units go one each to the largest
fractional parts; ties go to the earlier touch. So the parts add up exactly to the total.
"""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from advertisex.analysis.money import total
from advertisex.errors import AnalysisError
from advertisex.model import CREDIT

#: Decimal places of the time decay weights, relative to the touch nearest to the conversion.
_DECAY_PLACES = 12

_AT, _OF = pl.col("at"), pl.col("of")


def weights(half_life: timedelta) -> Mapping[str, pl.Expr]:
    """Return the weight of a touch (Int64) in each model, over the columns of `journeys`.

    first, last: all credit to that touch. last_click: all credit to the last click, or to the last view if there is no
    click. linear: equal credit. time_decay: the credit halves with each half-life of age. position: 40 % to the first,
    40 % to the last, 20 % split equally among those in between; equal credit if there are none. shapley: see `shapley`.
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


def shapley() -> pl.Expr:
    """The weight of a touch (Int64), over the columns of `journeys`: 1 for the first touch of each key, else 0.

    The Shapley value is the marginal contribution of a key, averaged over all orders in which the keys can join. The
    game is that of Zhao, Mahboobi and Bagheri 2018, "Shapley Value Methods for Attribution Modeling in Online
    Advertising": a set of keys S is worth v(S), the conversions of the journeys whose keys are all in S. With n keys,

        φ(k) = Σ over S without k of |S|! (n − |S| − 1)! / n! · (v(S ∪ {k}) − v(S))

    v is a sum of one-journey games, in which v(S) is 1 if S contains all m keys of the journey and 0 otherwise. In such
    a game the m keys are symmetric and all others contribute nothing, so by symmetry and efficiency each of the m gets
    1/m. The value of a sum of games is the sum of their values (Shapley 1953). So the exact value, for any number of
    keys, comes from splitting each conversion equally among the distinct keys of its journey.
    """
    return pl.struct("conversion", "key").is_first_distinct().cast(pl.Int64)


def credited(journeys: pl.DataFrame, weight: pl.Expr) -> pl.DataFrame:
    """Split conversions and their value among keys.

    Args:
        journeys: a frame of `journeys`.
        weight: weight of each touch; positive for at least one touch of each conversion.

    Returns:
        key, currency, credit (Int128, billionths) and value (Int128, see `units`), one row for each key and currency.
    """
    rows = (
        journeys.select("conversion", "key", "currency", "value", "conversions", weight=weight)
        .filter(pl.col("weight") > 0)
        .with_columns(pl.col("weight").cast(pl.Int128), credit=pl.col("conversions") * 10**CREDIT)
    )
    parts = [
        apportion(rows.select("conversion", "weight", units=pl.col(name))).alias(name) for name in ("credit", "value")
    ]
    sums = rows.with_columns(parts).group_by("key", "currency").agg(pl.col("credit", "value").sum())
    return sums.with_columns(pl.col("currency").cast(pl.String))


def check_sums(parts: pl.DataFrame, conversions: pl.DataFrame, model: str) -> None:
    """Check that the credits of a model add up to the conversions. An error is better than a wrong invoice.

    Args:
        parts: the credits of the model, with the columns of `credited`.
        conversions: conversions, value and currency of the attributed conversions.
        model: name of the model.

    Raises:
        AnalysisError: the sums differ.
    """
    due = conversions.select(
        "currency", credit=pl.col("conversions").cast(pl.Int128) * 10**CREDIT, value=pl.col("value").cast(pl.Int128)
    )
    if _sums(parts) != _sums(due):
        raise AnalysisError(
            f"the credits of the {model} model do not add up to the conversions", hint="please report this bug"
        )


def _sums(rows: pl.DataFrame) -> tuple[int, dict[str | None, int]]:
    """Sum up the credit, and the value by currency where it is not 0."""
    value = rows.group_by("currency").agg(total("value")).filter(pl.col("value") != 0)
    return int(rows.select(total("credit")).item()), dict(value.iter_rows())


def apportion(rows: pl.DataFrame) -> pl.Series:
    """Split integer units in proportion to weights, by the largest remainder method.

    Args:
        rows: conversion, weight (Int128, positive), units (integer, the total of the conversion, equal in all its rows,
            or null). Ties go to the earlier row.

    Returns:
        The units of each row (Int128); null if the total is null.
    """
    rows = _narrow(rows.with_columns(pl.col("units").cast(pl.Int128), whole=pl.col("weight").sum().over("conversion")))
    units, weight, whole = map(pl.col, ("units", "weight", "whole"))
    # units · weight may exceed 128 bits: divide first, and distribute the rest of the division
    product = rows.select(units % whole * weight).to_series()
    parts = rows.with_row_index("row").with_columns(
        share=units // whole * weight + product // whole, remainder=product % whole
    )
    unrounded = (
        parts.with_columns(left=pl.col("units") - pl.col("share").sum().over("conversion"))
        .filter((pl.col("left") > 0) & (pl.col("remainder") > 0))
        .sort("conversion", "remainder", "row", descending=[False, True, False])
    )
    number = pl.int_range(pl.len()).over("conversion")
    rounded_up = unrounded.filter(number < pl.col("left"))["row"]
    return parts["share"].cast(pl.Int128) + pl.zeros(rows.height, pl.Int128, eager=True).scatter(rounded_up, 1)


def _narrow(rows: pl.DataFrame) -> pl.DataFrame:
    """Turn the numbers of `apportion` into 64-bit integers if all products fit: these divide five times as fast."""
    largest = rows.select(units=pl.col("units").abs().max(), product=pl.col("whole").max() * pl.col("weight").max())
    fits = all(number is None or number < 2**63 for number in largest.row(0))
    return rows.cast(dict.fromkeys(("units", "weight", "whole"), pl.Int64)) if fits else rows
