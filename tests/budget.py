"""How much work tests do: `make test` tries an eighth of the examples of `make test-thorough`, and repeats less."""

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest

THOROUGH = os.environ.get("TEST_BUDGET") == "thorough"

#: Marks a test of the thorough run, for what other tests cover more cheaply.
thorough = pytest.mark.skipif(not THOROUGH, reason="part of `make test-thorough`")

_FEWEST = 3

T = TypeVar("T")


def usually(usual: T, *, thorough: T) -> T:
    """Return one of these amounts of work: days to simulate, processes to kill, cases to try."""
    return thorough if THOROUGH else usual


def some(cases: Iterable[T], usual: int) -> list[T]:
    """Return all cases for the thorough run; else this number of them, evenly spread."""
    all_cases = list(cases)
    if THOROUGH or usual >= len(all_cases):
        return all_cases
    return [all_cases[number * len(all_cases) // usual] for number in range(usual)]


def examples(thorough: int) -> int:
    """Return how many examples to try, given those of the thorough run."""
    return thorough if THOROUGH else max(min(thorough, _FEWEST), thorough // 8)
