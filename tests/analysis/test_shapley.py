"""Shapley values: against the definitions over all sets and all orders, and published examples."""

import math
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, permutations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.attribution.credit import credited, shapley
from tests.budget import examples

Journey = tuple[int, tuple[str, ...]]  # conversions, and the keys in order


def worth(journeys: Sequence[Journey], players: frozenset[str]) -> int:
    return sum(conversions for conversions, keys in journeys if set(keys) <= players)


def by_sets(journeys: Sequence[Journey]) -> dict[str, Fraction]:
    players = sorted({key for _, keys in journeys for key in keys})
    n, values = len(players), dict.fromkeys(players, Fraction(0))
    for player in players:
        others = [other for other in players if other != player]
        for size in range(n):
            probability = Fraction(math.factorial(size) * math.factorial(n - size - 1), math.factorial(n))
            for chosen in map(frozenset, combinations(others, size)):
                values[player] += probability * (worth(journeys, chosen | {player}) - worth(journeys, chosen))
    return values


def by_orders(journeys: Sequence[Journey]) -> dict[str, Fraction]:
    players = sorted({key for _, keys in journeys for key in keys})
    values: dict[str, Fraction] = defaultdict(Fraction)
    for order in permutations(players):
        for i, player in enumerate(order):
            gain = worth(journeys, frozenset(order[: i + 1])) - worth(journeys, frozenset(order[:i]))
            values[player] += Fraction(gain, math.factorial(len(players)))
    return values


def found(journeys: Sequence[Journey], values: Sequence[int] | None = None) -> dict[str, Fraction]:
    """The credit of each key, or what it gets of these values."""
    rows = [
        {
            "conversion": number,
            "key": key,
            "conversions": conversions,
            "value": values and values[number] * 10**9,
            "currency": None,
        }
        for number, (conversions, keys) in enumerate(journeys)
        for key in keys
    ]
    schema = {
        "conversion": pl.Int64, "key": pl.String, "conversions": pl.Int64, "value": pl.Int64, "currency": pl.String,
    }  # fmt: skip
    answer = credited(pl.DataFrame(rows, schema=schema), shapley())
    return {
        key: Fraction(int(units), 10**9)
        for key, units in answer.select("key", "value" if values else "credit").iter_rows()
    }


JOURNEYS = st.lists(
    st.tuples(st.integers(1, 5), st.lists(st.sampled_from("abcde"), min_size=1, max_size=7).map(tuple)),
    min_size=1,
    max_size=7,
)


@settings(max_examples=examples(100))
@given(JOURNEYS)
def test_equal_split_matches_the_definition(journeys: list[Journey]) -> None:
    expected = by_sets(journeys)

    assert by_orders(journeys) == expected
    answer = found(journeys)
    assert sum(answer.values()) == sum(conversions for conversions, _ in journeys)
    assert answer.keys() == expected.keys()
    for key, value in expected.items():
        assert abs(answer[key] - value) < Fraction(len(journeys), 10**9)  # each conversion is split in integer units


@settings(max_examples=examples(50))
@given(JOURNEYS)
def test_value_is_divided_by_the_game_of_values(journeys: list[Journey]) -> None:
    """With the value of conversions as the worth of a set, the value of the keys is the same equal split."""
    by_value = found([(1, keys) for _, keys in journeys], values=[7 * count for count, _ in journeys])
    expected = by_sets([(7 * count, keys) for count, keys in journeys])

    assert by_value.keys() == expected.keys()
    for key, value in expected.items():
        assert abs(by_value[key] - value) < Fraction(len(journeys), 10**9)


def test_the_published_example_of_three_channels() -> None:
    """Of 100 conversions Facebook, Organic and LinkedIn get 45.5, 20.5 and 34.

    The worked example of the notebook "Data Driven Attribution.ipynb" in github.com/tomgorb/misc (which follows an
    article, towardsdatascience.com/data-driven-marketing-attribution-1a28d2e613a0): the set fractions are F 0.2,
    O 0.1, L 0.17, FO 0.17, FL 0.3, LO 0, FLO 0.06; it prints the values F 0.455, O 0.205, L 0.34.
    """
    journeys: list[Journey] = [
        (20, ("F",)), (10, ("O",)), (17, ("L",)), (17, ("O", "F")), (30, ("L", "F")), (6, ("F", "O", "L")),
    ]  # fmt: skip

    assert found(journeys) == {"F": Fraction("45.5"), "O": Fraction("20.5"), "L": 34}


def test_the_airport_game() -> None:
    """Runways for four aircraft cost 8, 11, 13 and 18; they pay 2, 3, 4 and 9.

    The rule of S. C. Littlechild, G. Owen, "A simple expression for the Shapley value in a special case", Management
    Science 20 (1973) 370-372, with the numbers of Wikipedia's "Airport problem". The cost of a set is that of its
    largest aircraft. The dual game, the total cost minus the cost of the others, has the same values and is a sum of
    journeys: each additional piece of runway is a journey of all aircraft that need it.
    """
    journeys: list[Journey] = [(8, ("A", "B", "C", "D")), (3, ("B", "C", "D")), (2, ("C", "D")), (5, ("D",))]
    cost = {"A": 8, "B": 11, "C": 13, "D": 18}
    all_players = frozenset(cost)
    for size in range(5):
        for some in map(frozenset, combinations(cost, size)):
            others = all_players - some
            assert worth(journeys, some) == 18 - max((cost[aircraft] for aircraft in others), default=0)

    assert found(journeys) == {"A": 2, "B": 3, "C": 4, "D": 9}


def test_worked_example() -> None:
    """Three channels: 1 alone converts 2, 1 and 2 convert 4, all three 6."""
    journeys: list[Journey] = [(2, ("1",)), (4, ("2", "1")), (6, ("3", "1", "2", "1"))]

    assert found(journeys) == {"1": 2 + 2 + 2, "2": 2 + 2, "3": 2}
    assert by_sets(journeys) == found(journeys)


def test_a_repeated_key_counts_once() -> None:
    assert found([(1, ("a", "a", "a", "b"))]) == pytest.approx({"a": 0.5, "b": 0.5})
