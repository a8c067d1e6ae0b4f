"""The Shapley value: against its definitions over all sets and all orders, and a published example."""

import math
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, permutations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.credit import credited
from advertisex.analysis.shapley import weight

Journey = tuple[int, tuple[str, ...]]  # conversions, and the keys in order


def worth(journeys: Sequence[Journey], players: frozenset[str]) -> int:
    return sum(conversions for conversions, keys in journeys if set(keys) <= players)


def by_sets(journeys: Sequence[Journey]) -> dict[str, Fraction]:
    players = sorted({key for _, keys in journeys for key in keys})
    n, values = len(players), dict.fromkeys(players, Fraction(0))
    for player in players:
        others = [other for other in players if other != player]
        for size in range(n):
            chance = Fraction(math.factorial(size) * math.factorial(n - size - 1), math.factorial(n))
            for chosen in map(frozenset, combinations(others, size)):
                values[player] += chance * (worth(journeys, chosen | {player}) - worth(journeys, chosen))
    return values


def by_orders(journeys: Sequence[Journey]) -> dict[str, Fraction]:
    players = sorted({key for _, keys in journeys for key in keys})
    values: dict[str, Fraction] = defaultdict(Fraction)
    for order in permutations(players):
        for i, player in enumerate(order):
            gain = worth(journeys, frozenset(order[: i + 1])) - worth(journeys, frozenset(order[:i]))
            values[player] += Fraction(gain, math.factorial(len(players)))
    return values


def found(journeys: Sequence[Journey]) -> dict[str, Fraction]:
    rows = [
        {"conversion": number, "key": key, "conversions": conversions, "value": None, "currency": None}
        for number, (conversions, keys) in enumerate(journeys)
        for key in keys
    ]
    schema = {
        "conversion": pl.Int64, "key": pl.String, "conversions": pl.Int64, "value": pl.Int64, "currency": pl.String,
    }  # fmt: skip
    answer = credited(pl.DataFrame(rows, schema=schema), weight())
    return {key: Fraction(int(units), 10**9) for key, units in answer.select("key", "credit").iter_rows()}


JOURNEYS = st.lists(
    st.tuples(st.integers(1, 5), st.lists(st.sampled_from("abcde"), min_size=1, max_size=7).map(tuple)),
    min_size=1,
    max_size=7,
)


@settings(max_examples=100, deadline=None)
@given(JOURNEYS)
def test_sharing_alike_is_the_definition(journeys: list[Journey]) -> None:
    expected = by_sets(journeys)

    assert by_orders(journeys) == expected
    answer = found(journeys)
    assert sum(answer.values()) == sum(conversions for conversions, _ in journeys)
    assert answer.keys() == expected.keys()
    for key, value in expected.items():
        assert abs(answer[key] - value) < Fraction(len(journeys), 10**9)  # each conversion is shared in whole units


def test_an_example_by_hand() -> None:
    """Three channels: 1 alone converts 2, 1 and 2 convert 4, all three 6."""
    journeys: list[Journey] = [(2, ("1",)), (4, ("2", "1")), (6, ("3", "1", "2", "1"))]

    assert found(journeys) == {"1": 2 + 2 + 2, "2": 2 + 2, "3": 2}
    assert by_sets(journeys) == found(journeys)


def test_a_repeated_key_counts_once() -> None:
    assert found([(1, ("a", "a", "a", "b"))]) == pytest.approx({"a": 0.5, "b": 0.5})
