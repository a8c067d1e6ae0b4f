"""The tail of Student's t distribution, and its quantiles."""

import math
from functools import cache

#: Where a continued fraction has converged, and a number that replaces 0 in it.
_PRECISION, _TINY = 1e-16, 1e-300
#: From this argument on, six terms of the series of the gamma ratio are exact to a double's precision.
_LARGE = 64
#: Coefficients of (Γ(a + ½) / Γ(a)) / √a in powers of 1/a.
_RATIO = (1.0, -1 / 8, 1 / 128, 5 / 1024, -21 / 32768, -399 / 262144, 869 / 4194304)


def two_sided_p(unexplained: int, total: int, freedom: int) -> float:
    """Return P(|T| ≥ |t|) for a correlation r with 1 − r² = unexplained / total, and so t² = freedom · r² / (1 − r²).

    It is the regularised incomplete beta function I(freedom / 2, ½) at 1 − r² (NIST DLMF 8.17.5 and 8.17.22).

    Args:
        unexplained: at least 0, at most `total`.
        total: more than 0.
        freedom: degrees of freedom, at least 1.
    """
    if not unexplained:
        return 0.0
    if unexplained == total:
        return 1.0
    x, rest = unexplained / total, (total - unexplained) / total
    return _beta(freedom / 2, x, rest, math.log(x) if x < 0.5 else math.log1p(-rest))  # each loses digits elsewhere


@cache
def two_sided_quantile(p: float, freedom: int) -> float:
    """Return the t with P(|T| ≥ t) = p, by bisection.

    Args:
        p: above 0, below 1.
        freedom: degrees of freedom, at least 1.
    """
    low, high = 0.0, 1.0
    while _beyond(high, freedom) > p:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _beyond(middle, freedom) > p else (low, middle)
    return high


def _beyond(t: float, freedom: int) -> float:
    """P(|T| ≥ t) for t > 0."""
    square = t * t
    x, rest = freedom / (freedom + square), square / (freedom + square)
    return _beta(freedom / 2, x, rest, -math.log1p(square / freedom))


def _beta(a: float, x: float, rest: float, log_x: float) -> float:
    """The regularised incomplete beta function I(a, ½) at x, given 1 − x and log x, which lose no digits so."""
    front = math.exp(a * log_x) * math.sqrt(rest) * _gamma_ratio(a) / math.sqrt(math.pi)
    if x < (a + 1) / (a + 2.5):
        return front * _fraction(a, 0.5, x) / a
    return 1.0 - front * _fraction(0.5, a, rest) / 0.5


def _gamma_ratio(a: float) -> float:
    """Γ(a + ½) / Γ(a)."""
    factor = 1.0
    while a < _LARGE:
        factor *= a / (a + 0.5)
        a += 1
    return factor * math.sqrt(a) * sum(term / a**power for power, term in enumerate(_RATIO))


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value, m, step = d, 0, 0.0
    while abs(step - 1) > _PRECISION:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            c, d = _nonzero(1 + term / c), 1 / _nonzero(1 + term * d)
            step = c * d
            value *= step
    return value


def _nonzero(number: float) -> float:
    return number or _TINY
