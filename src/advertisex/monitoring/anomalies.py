"""Anomaly detection: compares each bucket with its baseline.

A value is scored by its modified z-score, (value - median) / scale (Iglewicz and Hoaglin, "How to Detect and Handle
Outliers", ASQC 1993). The scale is the largest of

- the spread of the preceding days (`baseline`), both as measured and as expected at this bucket's n,
- the Poisson noise of independent events: √expected for a count, √(expected / n) for a ratio,
- a floor, below which differences are irrelevant,

widened by the uncertainty of a median of few days. An anomaly must also exceed a minimum effect size (`_MIN_EFFECTS`).
Metrics that are only bad when high, such as the reject rate, are never flagged as too low.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from advertisex.monitoring.baseline import Baseline, baseline
from advertisex.monitoring.grid import Floats, Grid, Metric, ratio
from advertisex.monitoring.series import DAY, midnight
from advertisex.monitoring.silence import SILENT_EVENTS, missed_events

#: Default score at which a value counts as an anomaly.
DEVIATIONS = 5.0

#: Schema of the evaluated buckets: one row per series and bucket that has a value.
EVALUATED: dict[str, pl.DataType] = {
    "bucket": pl.Datetime("us"),
    "feed": pl.String(),
    "campaign": pl.String(),  # null: the feed as a whole
    "metric": pl.String(),
    "value": pl.Float64(),
    "of": pl.Float64(),  # n, the denominator of the value
    "own": pl.Float64(),  # the value of this bucket alone, where `value` pools several buckets
    "own_of": pl.Float64(),
    "expected": pl.Float64(),  # null without enough history, like the columns below
    "scale": pl.Float64(),
    "score": pl.Float64(),
    "least_low": pl.Float64(),  # between these bounds, the difference is too small to matter
    "least_high": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class _MinEffect:
    """Minimum effect size of an anomaly, and the floor of the scale.

    Attributes:
        ratio: minimum factor by which a value exceeds, or falls short of, the expected value.
        min_difference: minimum distance from the expected value, in the metric's unit.
        two_sided: whether low values are anomalies too.
        floor: lower bound of the scale, in the metric's unit.
        floor_ratio: lower bound of the scale, as a fraction of the expected value.
    """

    ratio: float
    min_difference: float = 0.0
    two_sided: bool = True
    floor: float = 0.0
    floor_ratio: float = 0.05


_MIN_EFFECTS: dict[Metric, _MinEffect] = {
    "volume": _MinEffect(2.0, floor=1.0),
    "ctr": _MinEffect(2.0, floor_ratio=0.08),
    "cvr": _MinEffect(2.0, floor_ratio=0.08),
    "reject_share": _MinEffect(2.0, min_difference=0.05, two_sided=False, floor=0.005),
    "duplicate_share": _MinEffect(2.0, min_difference=0.05, two_sided=False, floor=0.005),
    "delay": _MinEffect(1.5, min_difference=60.0, floor=1.0),
}

#: Differences of fewer events than this are ignored, however improbable.
MIN_EVENTS = 10.0

#: Rare events are pooled over recent buckets until this many clicks, conversions or messages are expected.
MIN_SAMPLE: dict[Metric, float] = {"ctr": 60.0, "cvr": 60.0, "reject_share": 200.0, "duplicate_share": 200.0}
#: Longest time over which rare events are pooled.
MAX_POOLING = timedelta(hours=6)


def evaluate(grid: Grid, since: datetime, until: datetime, history: timedelta) -> pl.DataFrame:
    """Evaluate the buckets of one metric.

    Args:
        grid: the metric, including the history.
        since: start of the first bucket.
        until: end of the last bucket.
        history: length of the baseline.

    Returns:
        A frame with the schema `EVALUATED`, ordered by bucket. For silence, `scale` and `least_*` are null: a score of
        `DEVIATIONS` or more is a silence.
    """
    parts, previous = [], None
    for day in _days(grid, since, until):
        if grid.metric == "silence" and previous is None and day:
            previous = baseline(grid, day - 1, history // DAY)
        known = baseline(grid, day, history // DAY)
        parts.append(_evaluate_day(grid, day, previous, known))
        previous = known
    evaluated = pl.concat(parts) if parts else pl.DataFrame(schema=EVALUATED)
    return evaluated.filter((pl.col("bucket") >= since) & (pl.col("bucket") < until)).sort(
        "bucket", maintain_order=True
    )


def _days(grid: Grid, since: datetime, until: datetime) -> Iterator[int]:
    first = max(0, (midnight(since) - grid.start) // DAY)
    last = min(-((grid.start - until) // DAY), grid.x.shape[1] // grid.buckets_per_day)
    yield from range(first, last)


def _evaluate_day(grid: Grid, day: int, previous: Baseline | None, expected_of_day: Baseline | None) -> pl.DataFrame:
    cut = slice(day * grid.buckets_per_day, (day + 1) * grid.buckets_per_day)
    values, n = grid.values()[:, cut], grid.n[:, cut]
    nothing = np.full(values.shape, np.nan)
    if expected_of_day is None:
        return _frame(grid, day, values, n, nothing, nothing, nothing, nothing, nothing)
    if grid.metric == "silence":
        expected, missed = missed_events(grid, day, previous, expected_of_day)
        return _frame(grid, day, values, n, expected, nothing, DEVIATIONS * missed / SILENT_EVENTS, nothing, nothing)
    expected, over = expected_of_day.expected, np.ones(values.shape)
    if grid.metric in MIN_SAMPLE:
        values, n, expected, over = _pooled(grid, day, expected)
    scale = _scale(grid.metric, expected_of_day, expected, n, over)
    score = (values - expected) / scale
    effect = _MIN_EFFECTS[grid.metric]
    apart = 0 * n if grid.metric == "delay" else MIN_EVENTS / np.maximum(n, 1.0)
    high = expected + np.maximum(np.maximum(apart, effect.min_difference), np.abs(expected) * (effect.ratio - 1))
    if not effect.two_sided:
        low = np.full(values.shape, -np.inf)
    elif grid.metric == "delay":
        low = 2 * expected - high
    else:
        low = np.minimum(expected - apart, expected / effect.ratio)
    return _frame(grid, day, values, n, expected, scale, score, low, high)


def _pooled(grid: Grid, day: int, expected: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Pool each bucket with its predecessors until `MIN_SAMPLE` is reached.

    The previous day is assumed to have the same expected values as this one.

    Returns:
        Values, n, expected values and the number of pooled buckets, each (rows, buckets of a day).
    """
    max_buckets = max(1, MAX_POOLING // grid.bucket)
    start = day * grid.buckets_per_day
    first = max(0, start - max_buckets)
    cut = slice(first, start + grid.buckets_per_day)
    x, n = grid.x[:, cut], grid.n[:, cut]
    expected_x = n * np.take(expected, np.arange(first, start + grid.buckets_per_day) % grid.buckets_per_day, axis=1)
    min_sample, is_share = MIN_SAMPLE[grid.metric], grid.metric not in {"ctr", "cvr"}
    sums = [np.cumsum(np.pad(np.nan_to_num(part), ((0, 0), (max_buckets, 0))), axis=1) for part in (x, n, expected_x)]
    end = np.arange(start - first, start - first + grid.buckets_per_day) + max_buckets
    found = [np.full(expected.shape, np.nan) for _ in range(4)]
    for over in range(1, max_buckets + 1):
        x_sum, n_sum, expected_sum = (part[:, end] - part[:, end - over] for part in sums)
        columns = (ratio(x_sum, n_sum), n_sum, ratio(expected_sum, n_sum), np.full(n_sum.shape, float(over)))
        now = np.isnan(found[3]) & (((n_sum if is_share else expected_sum) >= min_sample) | (over == max_buckets))
        for kept, column in zip(found, columns, strict=True):
            kept[now] = column[now]
    values, n_sum, expected_ratio, buckets = found
    return values, n_sum, np.where(np.isnan(expected), np.nan, expected_ratio), buckets


def _scale(metric: Metric, known: Baseline, expected: Floats, n: Floats, over: Floats) -> Floats:
    effect, rows = _MIN_EFFECTS[metric], np.maximum(n, 1.0)
    if metric == "volume":
        parts = [known.spread * expected, np.sqrt(expected)]
    else:
        # pooled values only have the spread that follows from their n
        parts = [np.where(over > 1, 0, known.spread), known.spread_one / np.sqrt(rows)]
        if metric != "delay":
            parts.append(np.sqrt(np.maximum(expected, 0.5 / rows) / rows))
    parts.append(np.maximum(effect.floor, effect.floor_ratio * np.abs(expected)))
    largest = np.fmax.reduce(parts)
    return np.asarray(largest * np.sqrt(1 + np.pi / 2 / known.days) + 0 * expected)


def _frame(grid: Grid, day: int, values: Floats, n: Floats, *columns: Floats) -> pl.DataFrame:
    cut = slice(day * grid.buckets_per_day, (day + 1) * grid.buckets_per_day)
    own, own_n = grid.values()[:, cut], grid.n[:, cut]
    rows, places = np.nonzero(own_n > 0)
    minutes = pl.Series(places * (grid.bucket // timedelta(minutes=1)), dtype=pl.Int64)
    frame = pl.DataFrame(
        {
            "minutes": minutes,
            "feed": pl.Series([grid.of[int(row)].feed for row in rows], dtype=pl.String),
            "campaign": pl.Series([grid.of[int(row)].campaign for row in rows], dtype=pl.String),
            "value": values[rows, places],
            "of": n[rows, places],
            "own": own[rows, places],
            "own_of": own_n[rows, places],
            **{name: column[rows, places] for name, column in zip(list(EVALUATED)[8:], columns, strict=True)},
        }
    )
    begin = pl.lit(grid.start + day * DAY) + pl.duration(minutes="minutes")
    return frame.with_columns(bucket=begin, metric=pl.lit(grid.metric)).select(
        pl.col(name).cast(dtype).fill_nan(None) if dtype == pl.Float64() else pl.col(name).cast(dtype)
        for name, dtype in EVALUATED.items()
    )
