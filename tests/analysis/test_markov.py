"""Markov chain attribution: published examples, the definition by removal, and limits."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.attribution import markov
from advertisex.errors import AnalysisError
from tests.analysis.attribution_oracle import Walk
from tests.analysis.attribution_oracle import removal_effects as by_removal
from tests.budget import examples


def solved(steps: pl.DataFrame, size: int) -> list[float]:
    effects: list[float] = markov.removal_effects(markov.counts(steps, size)).tolist()
    return effects


def effects_of(walks: Sequence[Walk]) -> dict[str, float]:
    keys = sorted({key for _, keys, _ in walks for key in keys})
    steps = []
    for end, state in (("conversion", markov.conversion(len(keys))), ("null", markov.null(len(keys)))):
        rows = [
            (keys.index(key), number, count)
            for number, (count, walk, how) in enumerate(walks)
            for key in walk
            if how == end
        ]
        frame = pl.DataFrame(rows, schema={"key": pl.UInt32, "walk": pl.Int64, "weight": pl.Int64}, orient="row")
        steps.append(markov.transitions(frame["key"], frame["walk"], frame["weight"], len(keys), state))
    return dict(zip(keys, solved(pl.concat(steps), len(keys)), strict=True))


def credits_of(walks: Sequence[Walk], units: int) -> list[int]:
    return markov.apportion(units, np.array(list(effects_of(walks).values())))


def test_the_published_example_of_three_channels() -> None:
    """S. Bryl', "Marketing multi-channel attribution model with R", AnalyzeCore 2016: effects 0.5, 1, 1."""
    walks: list[Walk] = [(1, ("C1", "C2", "C3"), "conversion"), (1, ("C1",), "null"), (1, ("C2", "C3"), "null")]

    assert effects_of(walks) == pytest.approx({"C1": 0.5, "C2": 1.0, "C3": 1.0}, abs=1e-12)
    assert by_removal(walks) == {"C1": Fraction(1, 2), "C2": 1, "C3": 1}
    assert credits_of(walks, 1_000) == [200, 400, 400]


def test_published_paths_that_overlap() -> None:
    """The paths of S. Puzyrov, "Markov chain attribution: simple explanation of removal effect", 2019; by hand.

    Google Ads alone: 2 conversions and 1 loss; mailing alone: 1 conversion; Google Ads, then mailing: 1 conversion.
    """
    walks: list[Walk] = [
        (2, ("google ads",), "conversion"),
        (1, ("mailing",), "conversion"),
        (1, ("google ads", "mailing"), "conversion"),
        (1, ("google ads",), "null"),
    ]

    # P = 0.8 · (0.5 + 0.25) + 0.2 = 0.8; without Google Ads 0.2, without mailing 0.4
    assert effects_of(walks) == pytest.approx({"google ads": 0.75, "mailing": 0.5}, abs=1e-12)


WALKS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.lists(st.sampled_from("abcde"), min_size=1, max_size=7).map(tuple),
        st.sampled_from(["conversion", "null"]),
    ),
    min_size=1,
    max_size=8,
).filter(lambda walks: any(end == "conversion" for _, _, end in walks))


@settings(max_examples=examples(200))
@given(WALKS)
def test_the_solution_equals_removing_each_key(walks: list[Walk]) -> None:
    """Transitions from a key to itself, which only the definition keeps, change nothing."""
    expected = by_removal(walks)

    assert effects_of(walks) == pytest.approx({key: float(effect) for key, effect in expected.items()}, abs=1e-12)


@settings(max_examples=examples(100))
@given(
    st.integers(0, 10**20),
    st.lists(st.integers(0, 12).map(lambda n: n / 12), min_size=1, max_size=9).filter(lambda effects: sum(effects) > 0),
)
def test_apportioned_units_add_up_and_are_proportional(units: int, effects: list[float]) -> None:
    shares = markov.apportion(units, np.array(effects))

    assert sum(shares) == units
    assert all(share == 0 for share, effect in zip(shares, effects, strict=True) if not effect)
    for share, effect in zip(shares, effects, strict=True):
        assert abs(share - units * Fraction(effect) / sum(map(Fraction, effects))) <= 1 + units * Fraction(1, 10**11)
    for equal in set(effects):
        same = [share for share, effect in zip(shares, effects, strict=True) if effect == equal]
        assert same == sorted(same, reverse=True)  # the remainder goes to the smaller key
        assert same[0] - same[-1] <= 1


def test_an_unvisited_key_has_no_effect() -> None:
    steps = markov.transitions(pl.Series([1], dtype=pl.UInt32), pl.Series([0]), pl.Series([1]), 3, markov.conversion(3))

    assert solved(steps, 3) == [0, 1, 0]


def test_too_many_keys_are_rejected_with_a_hint() -> None:
    markov.check(markov.MAX_KEYS, "")

    with pytest.raises(AnalysisError, match="4,001") as caught:
        markov.check(markov.MAX_KEYS + 1, "campaign k1")

    assert caught.value.where == "campaign k1"
    assert "the other models" in caught.value.hint
