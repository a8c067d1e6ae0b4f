"""Markov chain: what would be lost without a key.

Journeys are walks of a first-order chain START → key → … → CONVERSION or NULL (Anderl, Becker, von Wangenheim,
Schumann 2016, "Mapping the customer journey", International Journal of Research in Marketing 33). A key's removal
effect is the share of conversions that is lost where every walk ends in NULL as it comes to the key. Solved, not
simulated: with Q the probabilities among the keys, N = (I − Q)⁻¹ counts visits (Kemeny, Snell 1960, "Finite Markov
Chains", chapter 3); with v = the visits from START, and p = the probability of CONVERSION from each key and from START,

    effect(k) = P(k is ever visited) · p(k) / p(START) = v(k) / N(k, k) · p(k) / p(START)

since all walks that convert and visit k are those that are lost. A walk that stays at a key does not change whether it
ever comes to another, so repetitions of a key are left out: the effects are the same, and less is to be solved.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from advertisex.errors import AnalysisError

Floats = NDArray[np.float64]

#: Effects are taken to so many decimal places, so that what is equal shares alike, whatever was rounded on the way.
_PLACES = 12

#: Keys at most: N is a dense matrix of them (128 MB), and its time grows with the cube of their number.
MOST_KEYS = 4_000


def transitions(keys: pl.Series, walk: pl.Series, weight: pl.Series, size: int, end: int) -> pl.DataFrame:
    """Count the steps of walks.

    Args:
        keys: where they come to, walk after walk.
        walk: which walk each is of.
        weight: how many such walks there are.
        size: the number of keys; START is `size`.
        end: where all of them end: `conversion(size)` or `null(size)`.

    Returns:
        origin, target (UInt32) and weight (Int64), one row for each step; those from a key to itself are left out.
    """
    begins = (walk != walk.shift()).fill_null(True)
    ends = (walk != walk.shift(-1)).fill_null(True)
    start, stop = pl.lit(size, pl.UInt32), pl.lit(end, pl.UInt32)
    rows = pl.DataFrame({"key": keys, "weight": weight, "begins": begins, "ends": ends}).with_columns(
        origin=pl.when("begins").then(start).otherwise(pl.col("key").shift())
    )
    steps = rows.filter(pl.col("origin") != pl.col("key")).select("origin", "weight", target="key")
    return pl.concat([steps, rows.filter("ends").select("weight", origin="key", target=stop).select(steps.columns)])


def total(steps: pl.DataFrame) -> pl.DataFrame:
    """The same transitions, each once."""
    return steps.group_by("origin", "target").agg(pl.col("weight").sum()).select(steps.columns)


def conversion(size: int) -> int:
    """The number of the state CONVERSION."""
    return size + 1


def null(size: int) -> int:
    """The number of the state NULL."""
    return size + 2


def check(size: int, where: str) -> None:
    """Refuse more keys than can be solved for.

    Raises:
        AnalysisError: there are more than `MOST_KEYS`.
    """
    if size > MOST_KEYS:
        raise AnalysisError(
            f"the model markov takes at most {MOST_KEYS:,} keys, and here are {size:,}",
            where=where,
            hint="ask for the other models by name, narrow the range, or credit what there is less of",
        )


def removal_effects(steps: pl.DataFrame, size: int) -> Floats:
    """The removal effect of each key, 0 where no walk comes to it.

    Args:
        steps: as of `transitions`, of all walks, in any order; at least one ends in CONVERSION.
        size: the number of keys.
    """
    from scipy.linalg import inv  # noqa: PLC0415 - slow to import, and only this needs it

    states = size + 3
    cells = steps.select(pl.col("origin").cast(pl.Int64) * states + pl.col("target")).to_series().to_numpy()
    # sums of whole numbers, exact below 2⁵³, in whatever order
    counts = np.bincount(cells, steps["weight"].to_numpy(), (size + 1) * states).reshape(size + 1, states)
    chance = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    start, converts = chance[size, :size], chance[:size, conversion(size)]
    visits = inv(np.eye(size) - chance[:size, :size], overwrite_a=True, check_finite=False)
    chance_from = visits @ converts
    lost: Floats = (start @ visits) / visits.diagonal() * chance_from / (start @ chance_from)
    return lost


def shared(units: int, effects: Floats) -> list[int]:
    """Share whole units by effect, with the largest remainder method; ties go to the smaller key."""
    weights = [round(effect * 10**_PLACES) for effect in effects.tolist()]
    whole = sum(weights)
    parts = [divmod(units * weight, whole) for weight in weights]
    left = units - sum(share for share, _ in parts)
    lucky = set(sorted(range(len(parts)), key=lambda key: (-parts[key][1], key))[:left])
    return [share + (key in lucky) for key, (share, _) in enumerate(parts)]
