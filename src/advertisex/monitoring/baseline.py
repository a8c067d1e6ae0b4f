"""What is expected of a day, by the days before it: medians, and the spread around them.

No bucket of the day itself is looked at, so that what goes wrong today cannot become what is expected today; and by the
median, no less than half of the days before it would have to be wrong as well.

Expected is the median, over the days before, of what there was around the same time of day. Of a metric that hardly
follows the hours, the median over all of these days will do until there are enough of them. The spread is
the median absolute deviation, times 1.4826, by which it estimates the standard deviation where that is normal
(Rousseeuw and Croux, "Alternatives to the Median Absolute Deviation", JASA 88, 1993).
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from advertisex.monitoring.grid import Floats, Grid, Metric, divided

#: Median absolute deviation to standard deviation, of normal values.
MAD_TO_SIGMA = 1.4826

#: From so many days on, what is expected is that of the same time of day.
SEASON_DAYS = 3
#: On each side of a time of day, of what follows the hours closely,
AROUND = timedelta(minutes=30)
#: and of shares, of which half an hour holds too few events.
AROUND_SHARES = timedelta(hours=3)
#: Of the buckets of one day, so many make a history that judges, where no season is known yet.
WARM = 0.9
#: Their level follows the hours so much that nothing is expected of them without the season.
FOLLOWS_HOURS: frozenset[Metric] = frozenset({"volume"})
CLOSELY: frozenset[Metric] = frozenset({"volume", "silence", "delay"})
#: The hours with least in a day: until a season is known, silence is judged as if it were always they.
LOW_HOURS = 0.05


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is expected of one day; all (rows, buckets of a day), NaN where nothing is yet.

    Attributes:
        expected: see above.
        spread: of single buckets, as a standard deviation: of a count relative to it, else in the metric's unit.
        spread_one: the same of a bucket where n is 1, should all spread come from small numbers.
        days: how many days each expectation is from; infinite where it is from all buckets of all days.
        occupied: share of buckets in which something came, around this time of day.
    """

    expected: Floats
    spread: Floats
    spread_one: Floats
    days: Floats
    occupied: Floats


def baseline(grid: Grid, day: int, length: int) -> Baseline | None:
    """The baseline of a day by at most `length` days before it; None on the first day.

    Args:
        grid: the metric.
        day: counted from the grid's start.
        length: in days.
    """
    first = max(0, day - length)
    if day == first:
        return None
    cut = slice(first * grid.a_day, day * grid.a_day)
    x, n = grid.x[:, cut], grid.n[:, cut]
    shape = (len(grid.of), day - first, grid.a_day)
    around = _around(x, n, grid).reshape(shape)
    occupied = _around((x > 0).astype(np.float64) * (n > 0), (n > 0).astype(np.float64), grid).reshape(shape)
    days = (~np.isnan(around)).sum(axis=1).astype(np.float64)
    seasonal = days >= SEASON_DAYS
    warm = ((n > 0).sum(axis=1) >= WARM * grid.a_day)[:, None]
    level, spread, spread_one = _without_season(grid, divided(x, n), around, n)
    of_days = _between_days(grid, divided(x, n).reshape(shape), n.reshape(shape))
    level = np.where(warm, level, np.nan)
    return Baseline(
        expected=np.where(seasonal, median(around, 1), level),
        spread=np.where(seasonal, of_days[0], spread),
        spread_one=np.where(seasonal, of_days[1], spread_one),
        days=np.where(seasonal, days, np.inf),
        occupied=np.where(seasonal, median(occupied, 1), mean(occupied.reshape(len(grid.of), -1))),
    )


def median(values: Floats, axis: int) -> Floats:
    """The median without the NaN; NaN where there is nothing else."""
    return quantile(values, axis, 0.5)


def quantile(values: Floats, axis: int, q: float) -> Floats:
    """A quantile without the NaN, linear between its neighbours; NaN where there is nothing else."""
    if not values.shape[axis]:
        return np.full(np.delete(values.shape, axis), np.nan)
    ordered = np.sort(values, axis=axis)  # NaN come last
    last = np.maximum((~np.isnan(values)).sum(axis=axis, keepdims=True) - 1, 0)
    place = last * q
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, last)
    part = place - low
    low_value, high_value = (np.take_along_axis(ordered, at, axis) for at in (low, high))
    return np.asarray((low_value + (high_value - low_value) * part).squeeze(axis))


def mean(values: Floats) -> Floats:
    """The mean of each row without the NaN, as a column; NaN where there is nothing else."""
    known = ~np.isnan(values)
    return divided(np.where(known, values, 0).sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True) * 1.0)


def _around(x: Floats, n: Floats, grid: Grid) -> Floats:
    """The ratio x / n over the buckets around each; NaN where the bucket itself has no value."""
    reach = (AROUND if grid.metric in CLOSELY else AROUND_SHARES) // grid.bucket
    total = divided(_moving_sum(x, reach), _moving_sum(n, reach))
    return np.where(n > 0, total, np.nan)


def _moving_sum(values: Floats, reach: int) -> Floats:
    total = np.cumsum(np.pad(values, ((0, 0), (reach + 1, reach))), axis=1)
    return np.asarray(total[:, 2 * reach + 1 :] - total[:, : total.shape[1] - 2 * reach - 1])


def _without_season(grid: Grid, values: Floats, around: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    """Level, spread and spread of one, over all hours of all days, as columns."""
    rows = len(grid.of)
    if grid.metric in FOLLOWS_HOURS:
        nothing = np.full((rows, 1), np.nan)
        return nothing, nothing, nothing
    if grid.metric == "silence":
        level = quantile(around.reshape(rows, -1), 1, LOW_HOURS)[:, None]
        return level, np.zeros((rows, 1)), np.zeros((rows, 1))
    level = median(around.reshape(rows, -1), 1)[:, None]
    off = np.abs(values - level)
    return level, _sigma(off), _sigma(off * np.sqrt(n))


def _sigma(off: Floats) -> Floats:
    """The standard deviation by the deviations of each row, as a column."""
    return MAD_TO_SIGMA * median(off.reshape(len(off), -1), 1)[:, None]


def _between_days(grid: Grid, values: Floats, n: Floats) -> tuple[Floats, Floats]:
    """The spread, by how much each bucket differs from that of the day before.

    Such a difference has the spread of two buckets, hence √2. Differences from the median of few days would be too
    small, since each value has pulled it to itself.
    """
    off = np.abs(values[:, 1:] - values[:, :-1])
    if grid.metric in {"volume", "silence"}:
        off = divided(off, (values[:, 1:] + values[:, :-1]) / 2)
    # n of the pair: that at which its difference would be as spread
    both = divided(2 * n[:, 1:] * n[:, :-1], n[:, 1:] + n[:, :-1])
    return _sigma(off) / np.sqrt(2), _sigma(off * np.sqrt(both)) / np.sqrt(2)
