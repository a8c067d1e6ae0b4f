"""The tail of Student's t distribution and its quantiles, against SciPy."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import t as student_t

from advertisex.analysis.student_t import two_sided_p, two_sided_quantile


@given(
    share=st.one_of(st.floats(0, 1), st.floats(0, 1e-6), st.floats(1 - 1e-6, 1)),
    total=st.integers(1, 10**30),
    freedom=st.one_of(st.integers(1, 200), st.integers(201, 1_000_000)),
)
def test_it_is_the_incomplete_beta_function(share: float, total: int, freedom: int) -> None:
    unexplained = round(share * 10**18) * total // 10**18
    found, expected = two_sided_p(unexplained, total, freedom), float(betainc(freedom / 2, 0.5, unexplained / total))
    # the argument of the oracle is rounded, which its own result magnifies
    assert found == pytest.approx(expected, rel=1e-11 + freedom * 2e-16, abs=1e-250)


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [(12.706204736174707, 1, 0.05), (2.2281388519649385, 10, 0.05), (63.65674116287399, 1, 0.01)],
)
def test_it_agrees_with_published_critical_values(t: float, freedom: int, p: float) -> None:
    total = 10**18
    assert math.isclose(two_sided_p(round(total / (1 + t * t / freedom)), total, freedom), p, rel_tol=1e-10)


@pytest.mark.parametrize(("unexplained", "p"), [(0, 0.0), (7, 1.0)])
def test_a_perfect_and_an_absent_correlation(unexplained: int, p: float) -> None:
    assert two_sided_p(unexplained, 7, 5) == p


@given(p=st.floats(1e-6, 0.999), freedom=st.one_of(st.integers(1, 400), st.integers(401, 1_000_000)))
def test_a_quantile_is_exceeded_with_its_probability(p: float, freedom: int) -> None:
    assert two_sided_quantile(p, freedom) == pytest.approx(float(student_t.isf(p / 2, freedom)), rel=1e-9)
