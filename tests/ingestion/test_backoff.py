"""Waits after failures."""

from hypothesis import given
from hypothesis import strategies as st

from advertisex.ingestion.backoff import Backoff

SECONDS = st.floats(0.001, 10_000)


@given(SECONDS, SECONDS)
def test_waits_double_up_to_the_longest(first: float, longest: float) -> None:
    backoff = Backoff(first, longest)
    for failures in range(40):
        wait, expected = backoff.next(), min(first * 2**failures, max(first, longest))
        assert expected <= wait <= 1.25 * expected
    backoff.reset()
    assert first <= backoff.next() <= 1.25 * first
