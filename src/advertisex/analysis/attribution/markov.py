"""Markov chain attribution: the fraction of conversions that would be lost without a key.

Journeys are walks of a first-order chain START → key → … → CONVERSION or NULL (Anderl, Becker, von Wangenheim,
Schumann 2016, "Mapping the customer journey", International Journal of Research in Marketing 33). A key's removal
effect is the fraction of conversions that is lost if every walk that reaches the key ends in NULL. It is computed in
closed form, not simulated. With Q the transition probabilities among the keys, N = (I − Q)⁻¹ counts visits (Kemeny,
Snell 1960, "Finite Markov Chains", chapter 3). With v the visits from START and p the probability of CONVERSION from
each key or START,

    effect(k) = P(k is ever visited) · p(k) / p(START) = v(k) / N(k, k) · p(k) / p(START)

since exactly the converting walks that visit k are lost. Staying at a key does not change whether a walk ever reaches
another, so repetitions of a key are dropped: the effects are the same, and the system is simpler.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from advertisex.errors import AnalysisError
from advertisex.limits import Limit

Floats = NDArray[np.float64]

#: Decimal places that effects are rounded to, so that equal effects get equal credit despite rounding errors.
_PLACES = 12

#: Maximum number of keys: N is a dense matrix (128 MB at the limit), and its inversion takes cubic time.
MAX_KEYS = Limit(4_000, "keys", of="the model `markov`", beyond="an error of the question")


def transitions(keys: pl.Series, walk: pl.Series, weight: pl.Series, size: int, end: int) -> pl.DataFrame:
    """List the transitions of walks.

    Args:
        keys: the visited keys, walk by walk.
        walk: the walk that each visit belongs to.
        weight: the weight of that walk: its multiplicity, or an amount.
        size: the number of keys; START is `size`.
        end: the final state of all walks: `conversion(size)` or `null(size)`.

    Returns:
        origin, target (UInt32) and weight, one row for each transition, except from a key to itself.
    """
    is_first = (walk != walk.shift()).fill_null(True)
    is_last = (walk != walk.shift(-1)).fill_null(True)
    start, stop = pl.lit(size, pl.UInt32), pl.lit(end, pl.UInt32)
    rows = pl.DataFrame({"key": keys, "weight": weight, "is_first": is_first, "is_last": is_last}).with_columns(
        origin=pl.when("is_first").then(start).otherwise(pl.col("key").shift())
    )
    steps = rows.filter(pl.col("origin") != pl.col("key")).select("origin", "weight", target="key")
    return pl.concat([steps, rows.filter("is_last").select("weight", origin="key", target=stop).select(steps.columns)])


def total(steps: pl.DataFrame) -> pl.DataFrame:
    """Sum up the weights of equal transitions."""
    return steps.group_by("origin", "target").agg(pl.col("weight").sum()).select(steps.columns)


def conversion(size: int) -> int:
    """The index of the state CONVERSION."""
    return size + 1


def null(size: int) -> int:
    """The index of the state NULL."""
    return size + 2


def check(size: int, where: str) -> None:
    """Check the number of keys.

    Raises:
        AnalysisError: there are more than `MAX_KEYS`.
    """
    if size > MAX_KEYS:
        raise AnalysisError(
            f"too many keys for the markov model: {size:,}, the maximum is {MAX_KEYS:,}",
            where=where,
            hint="select the other models by name, narrow the range, or credit a key with fewer values",
        )


def counts(steps: pl.DataFrame, size: int) -> Floats:
    """Sum up the weights of equal transitions in a matrix.

    Args:
        steps: transitions, in any order; the sums of their weights are below 2⁵³, or no two of them are equal: so the
            sums are exact.
        size: the number of keys.

    Returns:
        A row for each origin (the keys and START), a column for each target (also CONVERSION and NULL).
    """
    states = size + 3
    cells = steps.select(pl.col("origin").cast(pl.Int64) * states + pl.col("target")).to_series().to_numpy()
    weights = steps["weight"].cast(pl.Float64).to_numpy()
    sums = np.bincount(cells, weights, (size + 1) * states)
    return np.asarray(sums, np.float64).reshape(size + 1, states)


def removal_effects(counts: Floats) -> Floats:
    """Compute the removal effect of each key; 0 if no walk reaches it.

    Args:
        counts: the sums of `counts` over all walks, of which at least one ends in CONVERSION.
    """
    size = len(counts) - 1
    probability = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    start, converts = probability[size, :size], probability[:size, conversion(size)]
    visits = np.linalg.inv(np.eye(size) - probability[:size, :size])
    conversion_probability = visits @ converts
    effects: Floats = (start @ visits) / visits.diagonal() * conversion_probability / (start @ conversion_probability)
    return effects


def apportion(units: int, effects: Floats) -> list[int]:
    """Split integer units in proportion to the effects, by the largest remainder method; ties go to the smaller key."""
    weights = [round(effect * 10**_PLACES) for effect in effects.tolist()]
    whole = sum(weights)
    parts = [divmod(units * weight, whole) for weight in weights]
    left = units - sum(share for share, _ in parts)
    rounded_up = set(sorted(range(len(parts)), key=lambda key: (-parts[key][1], key))[:left])
    return [share + (key in rounded_up) for key, (share, _) in enumerate(parts)]
