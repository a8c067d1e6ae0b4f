"""Shapley value: the marginal contribution of each key, averaged over all orders in which the keys can join.

The game is that of Zhao, Mahboobi and Bagheri 2018, "Shapley Value Methods for Attribution Modeling in Online
Advertising": a set of keys S is worth v(S), the conversions of the journeys whose keys are all in S. A key's value is

    φ(k) = Σ over S without k of |S|! (n − |S| − 1)! / n! · (v(S ∪ {k}) − v(S)),   n the number of keys

v is a sum of one-journey games, in which v(S) is 1 if S contains all m keys of the journey and 0 otherwise. In such a
game the m keys are symmetric and all others contribute nothing, so by symmetry and efficiency each of the m gets 1/m.
The value of a sum of games is the sum of their values (Shapley 1953). So the exact value, for any number of keys, comes
from splitting each conversion equally among the distinct keys of its journey.
"""

import polars as pl


def weight() -> pl.Expr:
    """The weight of a touch, over the columns of `journeys`: 1 for the first touch of each key, else 0."""
    return pl.struct("conversion", "key").is_first_distinct().cast(pl.Int64)
