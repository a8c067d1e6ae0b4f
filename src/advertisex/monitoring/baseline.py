"""The baseline of a day: medians of the preceding days, and the spread around them.

The day itself is excluded, so an incident cannot become its own baseline, and a median tolerates bad values in up to
half of the preceding days.

The expected value is the median over the preceding days at about the same time of day. For a count, it is that of the
same buckets of like days (`weekdays`) once the weekday occurs twice in the history. Until there are enough days,
metrics with little daily variation use the median over all hours. The spread is the median absolute deviation times
1.4826, which estimates the standard deviation of normal values (Rousseeuw and Croux, "Alternatives to the Median
Absolute Deviation", JASA 88, 1993).
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from advertisex.monitoring.grid import Floats, Grid, Metric, ratio
from advertisex.monitoring.weekdays import KNOWN_WEEKS, like_days

#: Ratio of the standard deviation to the median absolute deviation of normal values.
MAD_TO_SIGMA = 1.4826

#: Days of history from which on the baseline follows the time of day.
SEASON_DAYS = 3
#: Half-width of the window around a time of day, for metrics that follow the time of day closely.
WINDOW = timedelta(minutes=30)
#: The same for ratios, for which half an hour contains too few events.
WINDOW_RATIOS = timedelta(hours=3)
#: Minimum history without a daily season, as a fraction of the buckets of a day.
WARM = 0.9
#: Metrics that vary too much over the day to have a baseline without a daily season.
FOLLOWS_HOURS: frozenset[Metric] = frozenset({"volume"})
#: Metrics that are compared with like days.
COUNTS: frozenset[Metric] = frozenset({"volume", "silence"})
#: Metrics that use `WINDOW`; the others use `WINDOW_RATIOS`.
NARROW_WINDOW: frozenset[Metric] = frozenset({"volume", "silence", "delay"})
#: Until the daily season is known, silence detection expects this low quantile of the volume at all hours.
LOW_HOURS = 0.05


@dataclass(frozen=True, slots=True)
class Baseline:
    """The baseline of one day. All arrays are f64, (rows, buckets of a day), with NaN where history is missing.

    Attributes:
        expected: expected value.
        spread: standard deviation of single buckets: relative for counts, otherwise in the metric's unit.
        spread_one: standard deviation at n = 1, assuming that all spread is sampling noise.
        days: number of days behind each expected value; infinite if it comes from all buckets of all days.
        occupied: fraction of non-empty buckets around this time of day.
    """

    expected: Floats
    spread: Floats
    spread_one: Floats
    days: Floats
    occupied: Floats


def baseline(grid: Grid, day: int, length: int) -> Baseline | None:
    """Compute the baseline of a day.

    Args:
        grid: the metric.
        day: index of the day, counted from the grid's start.
        length: maximum number of preceding days to use.

    Returns:
        The baseline, or None for the first day.
    """
    first = max(0, day - length)
    if day == first:
        return None
    cut = slice(first * grid.buckets_per_day, day * grid.buckets_per_day)
    x, n = grid.x[:, cut], grid.n[:, cut]
    shape = (len(grid.of), day - first, grid.buckets_per_day)
    smoothed = _smoothed(x, n, grid).reshape(shape)
    occupied = _smoothed((x > 0).astype(np.float64) * (n > 0), (n > 0).astype(np.float64), grid).reshape(shape)
    days = (~np.isnan(smoothed)).sum(axis=1).astype(np.float64)
    seasonal = days >= SEASON_DAYS
    warm = ((n > 0).sum(axis=1) >= WARM * grid.buckets_per_day)[:, None]
    level, spread, spread_one = _without_season(grid, ratio(x, n), smoothed, n)
    of_days = _between_days(grid, ratio(x, n).reshape(shape), n.reshape(shape))
    found = Baseline(
        expected=np.where(seasonal, median(smoothed, 1), np.where(warm, level, np.nan)),
        spread=np.where(seasonal, of_days[0], spread),
        spread_one=np.where(seasonal, of_days[1], spread_one),
        days=np.where(seasonal, days, np.inf),
        occupied=np.where(seasonal, median(occupied, 1), mean(occupied.reshape(len(grid.of), -1))),
    )
    if grid.metric not in COUNTS:
        return found
    like, count = like_days(ratio(x, n).reshape(shape), day, median(smoothed, 1))
    return _with_like_days(found, like, count, np.where(np.isnan(like), np.nan, occupied))


def _with_like_days(known: Baseline, like: Floats, count: Floats, occupied: Floats) -> Baseline:
    """Replace what like days are known for. Their values are not smoothed, which would blur the start of a weekend."""
    has_like_days = count > 0
    return replace(
        known,
        expected=np.where(has_like_days, median(like, 1), known.expected),
        days=np.where(has_like_days, count, known.days),
        occupied=np.where(has_like_days, median(occupied, 1), known.occupied),
    )


def median(values: Floats, axis: int) -> Floats:
    """The median, ignoring NaN; NaN if all values are NaN."""
    return quantile(values, axis, 0.5)


def quantile(values: Floats, axis: int, q: float) -> Floats:
    """A quantile with linear interpolation, ignoring NaN; NaN if all values are NaN."""
    if not values.shape[axis]:
        return np.full(np.delete(values.shape, axis), np.nan)
    ordered = np.sort(values, axis=axis)  # NaN sorts last
    last = np.maximum((~np.isnan(values)).sum(axis=axis, keepdims=True) - 1, 0)
    place = last * q
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, last)
    part = place - low
    low_value, high_value = (np.take_along_axis(ordered, at, axis) for at in (low, high))
    return np.asarray((low_value + (high_value - low_value) * part).squeeze(axis))


def mean(values: Floats) -> Floats:
    """The mean of each row as a column, ignoring NaN; NaN if all values are NaN."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True) * 1.0)


def _smoothed(x: Floats, n: Floats, grid: Grid) -> Floats:
    """The ratio x / n over a window around each bucket; NaN where the bucket itself has no value."""
    reach = (WINDOW if grid.metric in NARROW_WINDOW else WINDOW_RATIOS) // grid.bucket
    total = ratio(_moving_sum(x, reach), _moving_sum(n, reach))
    return np.where(n > 0, total, np.nan)


def _moving_sum(values: Floats, reach: int) -> Floats:
    total = np.cumsum(np.pad(values, ((0, 0), (reach + 1, reach))), axis=1)
    return np.asarray(total[:, 2 * reach + 1 :] - total[:, : total.shape[1] - 2 * reach - 1])


def _without_season(grid: Grid, values: Floats, smoothed: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    """Level, spread and `spread_one` over all hours of all days, as columns."""
    rows = len(grid.of)
    if grid.metric in FOLLOWS_HOURS:
        nothing = np.full((rows, 1), np.nan)
        return nothing, nothing, nothing
    if grid.metric == "silence":
        level = quantile(smoothed.reshape(rows, -1), 1, LOW_HOURS)[:, None]
        return level, np.zeros((rows, 1)), np.zeros((rows, 1))
    level = median(smoothed.reshape(rows, -1), 1)[:, None]
    deviations = np.abs(values - level)
    return level, _sigma(deviations), _sigma(deviations * np.sqrt(n))


def _sigma(deviations: Floats) -> Floats:
    """The standard deviation of each row, estimated from absolute deviations, as a column."""
    return MAD_TO_SIGMA * median(deviations.reshape(len(deviations), -1), 1)[:, None]


def _between_days(grid: Grid, values: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Spread and `spread_one`, from the differences between consecutive days, or weeks of counts, at the same time.

    A difference of two buckets has √2 times the spread of one. Deviations from a median of few days would be biased
    low, because each value pulls the median towards itself.
    """
    by = 7 if grid.metric in COUNTS and values.shape[1] >= 7 * KNOWN_WEEKS else 1
    later, earlier, later_n, earlier_n = values[:, by:], values[:, :-by], n[:, by:], n[:, :-by]
    deviations = np.abs(later - earlier)
    if grid.metric in COUNTS:
        deviations = ratio(deviations, (later + earlier) / 2)
    # equivalent n of a pair: the harmonic mean
    harmonic_n = ratio(2 * later_n * earlier_n, later_n + earlier_n)
    return _sigma(deviations) / np.sqrt(2), _sigma(deviations * np.sqrt(harmonic_n)) / np.sqrt(2)
