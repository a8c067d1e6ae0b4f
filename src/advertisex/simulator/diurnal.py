"""Diurnal curve of the traffic: lowest in the morning, highest in the evening (UTC)."""

import numpy as np
from numpy.typing import NDArray

from advertisex.simulator.rows import Integers

_AMPLITUDE = 0.65
_PEAK_HOUR = 19
_HOUR = 3_600_000_000
_STEP = _HOUR // 6


def times_between(start: int, end: int, fractions: NDArray[np.float64]) -> Integers:
    """The times by which the given fractions of the traffic between `start` and `end` have occurred.

    Args:
        start: start of the interval, in microseconds since the epoch.
        end: end of the interval, likewise.
        fractions: fractions of the interval's traffic, ascending, 0 to 1.

    Returns:
        Microseconds since the epoch, same shape as `fractions`: the inverse of the cumulative traffic.
    """
    steps = max(1, min(5_000, (end - start) // _STEP))
    edges = np.linspace(start, end, steps + 1)
    hours = (edges / _HOUR) % 24
    activity = 1 + _AMPLITUDE * np.cos((hours - _PEAK_HOUR) * 2 * np.pi / 24)
    # trapezoidal rule
    cumulative = np.concatenate([[0.0], np.cumsum((activity[1:] + activity[:-1]) / 2)])
    return start + (np.interp(fractions, cumulative / cumulative[-1], edges - start)).astype(np.int64)
