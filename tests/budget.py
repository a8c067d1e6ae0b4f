"""How much work property tests do: `make test` tries a quarter of the examples of `make test-thorough`."""

import os

import pytest

THOROUGH = os.environ.get("TEST_BUDGET") == "thorough"

#: Marks a test of the thorough run, for what other tests cover more cheaply.
thorough = pytest.mark.skipif(not THOROUGH, reason="part of `make test-thorough`")

_FEWEST = 3


def examples(thorough: int) -> int:
    """Return how many examples to try, given those of the thorough run."""
    return thorough if THOROUGH else max(min(thorough, _FEWEST), thorough // 4)
