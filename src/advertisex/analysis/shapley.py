"""Shapley value: what each key adds, on average over all orders in which the keys could join.

The game (Zhao, Mahboobi, Bagheri 2018, "Shapley Value Methods for Attribution Modeling in Online Advertising"): a set
of keys S is worth v(S), the conversions of the journeys whose keys all lie in S. A key's value is

    φ(k) = Σ over S without k of |S|! (n − |S| − 1)! / n! · (v(S ∪ {k}) − v(S)),   n the number of keys

v is a sum of games with one journey each, where v(S) is 1 if S holds all its m keys, and else 0. There the m keys are
alike and the others add nothing, so by symmetry and efficiency each of the m gets 1/m; and the values of a sum of
games are the sums of their values (Shapley 1953). So the exact value, for any number of keys, is found by sharing each
conversion alike among the distinct keys of its journey.
"""

import polars as pl


def weight() -> pl.Expr:
    """The weight of a touch, over the columns of `journeys`: 1 for the first of each key, so that ties go to it."""
    return pl.struct("conversion", "key").is_first_distinct().cast(pl.Int64)
