"""When people are online: few at night, most in the evening (UTC)."""

import numpy as np
from numpy.typing import NDArray

from advertisex.ingestion.simulator.rows import Integers

_SWING = 0.65
_PEAK_HOUR = 19
_HOUR = 3_600_000_000
_STEP = _HOUR // 6


def times_between(start: int, end: int, shares: NDArray[np.float64]) -> Integers:
    """The moments by which these shares (rising, 0 to 1) of the traffic from `start` to `end` are over."""
    steps = max(1, min(5_000, (end - start) // _STEP))
    moments = np.linspace(start, end, steps + 1)
    hours = (moments / _HOUR) % 24
    activity = 1 + _SWING * np.cos((hours - _PEAK_HOUR) * 2 * np.pi / 24)
    # the traffic of a step is the mean of its two ends: the trapezoid rule
    done = np.concatenate([[0.0], np.cumsum((activity[1:] + activity[:-1]) / 2)])
    return start + (np.interp(shares, done / done[-1], moments - start)).astype(np.int64)
