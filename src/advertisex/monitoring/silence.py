"""Silence: a gap without events, although many were expected in it.

A gap is compared with the events that are expected at the level of the buckets before it: at a tenth of the usual
volume, as on a bank holiday, gaps are ten times as long. A silence lasts until half of the expected volume is back, so
a single straggler does not end it.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from advertisex.monitoring.baseline import Baseline
from advertisex.monitoring.grid import Floats, Grid

#: Expected events after which a gap counts as silence: the chance of such a gap is below one in a million
#: (e⁻¹⁴, Poisson).
SILENT_EVENTS = 14.0
#: Minimum fraction of non-empty buckets for silence detection.
OCCUPIED = 0.9
#: The level before a gap is taken from the last buckets in which this many events were expected.
_LEVEL_EVENTS = 60.0
#: Fraction of the expected events that ends a silence.
_BACK = 0.5


def missed_events(grid: Grid, day: int, previous: Baseline | None, known: Baseline) -> tuple[Floats, Floats]:
    """The expected events of each bucket of a day, and those missed since the last event; both NaN if not evaluated.

    Args:
        grid: the number of events.
        day: index of the day, counted from the grid's start.
        previous: baseline of the day before, on which a gap may have begun; None for the second day.
        known: baseline of the day.
    """
    expected = _expected(known)
    before = np.full(expected.shape, np.nan) if previous is None else _expected(previous)
    start = day * grid.buckets_per_day
    cut = slice(start - grid.buckets_per_day, start + grid.buckets_per_day)
    rows = zip(grid.x[:, cut], grid.n[:, cut], np.concatenate([before, expected], axis=1), strict=True)
    missed = [list(_missed(zip(*map(np.ndarray.tolist, row), strict=True))) for row in rows]
    of_day = np.array(missed).reshape(len(missed), -1)[:, grid.buckets_per_day :]
    return expected, np.where(np.isnan(expected), np.nan, of_day)


def _expected(known: Baseline) -> Floats:
    return np.asarray(np.where(known.occupied >= OCCUPIED, known.expected, np.nan))


def _missed(buckets: Iterable[tuple[float, float, float]]) -> Iterator[float]:
    """The events missed since the last one, after each bucket: its events, whether it counts, and those expected."""
    missed, level = 0.0, 1.0
    recent: list[tuple[float, float]] = []
    for events, counts, expected in buckets:
        if not counts:
            missed = 0.0
        elif events:
            if missed < SILENT_EVENTS or math.isnan(expected) or events >= _BACK * expected:
                missed = 0.0
        elif not math.isnan(expected):
            level = level if missed else _level(recent)
            missed += expected * level
        if counts and not math.isnan(expected):
            recent.append((events, expected))
        yield missed


def _level(recent: list[tuple[float, float]]) -> float:
    """The highest plausible ratio of events to expected events in the last buckets; 1 at most."""
    events = expected = 0.0
    for seen, should in reversed(recent):
        if expected >= _LEVEL_EVENTS:
            break
        events, expected = events + seen, expected + should
    return min(1.0, (events + 3 * math.sqrt(events) + 1) / expected) if expected else 1.0
