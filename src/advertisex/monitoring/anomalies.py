"""Anomalies: which buckets are far from what is expected of them, and by how much.

A value is judged by its modified z-score, (value - median) / scale, after Iglewicz and Hoaglin, "How to Detect and
Handle Outliers" (ASQC 1993), where the scale is the largest of

- the spread of the days before (`baseline`), in itself and as it would be at this bucket's n,
- that of chance alone where every event comes independently (Poisson): √expected of a count,
  √(expected / n) of a ratio,
- a floor, below which no difference is worth a word,

widened by how uncertain the median of few days is itself. Beside the score, an anomaly needs an effect that matters:
`_LEAST`. A value of a metric that can only be too high, such as a share of rejects, is never too low.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from advertisex.monitoring.baseline import Baseline, baseline
from advertisex.monitoring.grid import Floats, Grid, Metric, divided
from advertisex.monitoring.series import DAY, midnight

#: By default, a score from which on a value is an anomaly.
DEVIATIONS = 5.0

#: A row for each series and bucket that has a value.
EVALUATED: dict[str, pl.DataType] = {
    "bucket": pl.Datetime("us"),
    "feed": pl.String(),
    "campaign": pl.String(),  # null: the feed as a whole
    "metric": pl.String(),
    "value": pl.Float64(),
    "of": pl.Float64(),  # n: what the value is relative to
    "own": pl.Float64(),  # the value of this bucket alone, where it was gathered from several
    "own_of": pl.Float64(),
    "expected": pl.Float64(),  # null while too little is known, as are those below
    "scale": pl.Float64(),
    "score": pl.Float64(),
    "least_low": pl.Float64(),  # nearer to the expected, a difference has no effect that matters
    "least_high": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class _Least:
    """The least effect, and the floor of the scale.

    Attributes:
        ratio: beyond so many times the expected, or below the same part of it.
        apart: and at least so far from it, in the metric's unit.
        both_ways: whether too low is an anomaly as well.
        floor: of the scale, in the metric's unit.
        floor_ratio: the same, as a part of the expected.
    """

    ratio: float
    apart: float = 0.0
    both_ways: bool = True
    floor: float = 0.0
    floor_ratio: float = 0.05


_LEAST: dict[Metric, _Least] = {
    "volume": _Least(2.0, floor=1.0),
    "ctr": _Least(2.0, floor_ratio=0.08),
    "cvr": _Least(2.0, floor_ratio=0.08),
    "reject_share": _Least(2.0, apart=0.05, both_ways=False, floor=0.005),
    "duplicate_share": _Least(2.0, apart=0.05, both_ways=False, floor=0.005),
    "delay": _Least(1.5, apart=60.0, floor=1.0),
}

#: A difference of fewer events than these is no incident, however seldom it is.
FEWEST = 10.0

#: What is rare is judged over the last buckets in which so many clicks, conversions or messages are expected,
ENOUGH: dict[Metric, float] = {"ctr": 60.0, "cvr": 60.0, "reject_share": 200.0, "duplicate_share": 200.0}
#: or all of these.
GATHERED_OVER = timedelta(hours=6)

#: A silence is one when so many events should have come meanwhile: by chance alone, fewer than one in a million is as
#: long (e⁻¹⁴, Poisson).
SILENT_EVENTS = 14.0
#: Whether a feed is one that comes in nearly every bucket.
OCCUPIED = 0.9


def evaluate(grid: Grid, since: datetime, until: datetime, history: timedelta) -> pl.DataFrame:
    """Judge the buckets of one metric.

    Args:
        grid: the metric, with the days before.
        since: the beginning of the first bucket.
        until: the end of the last one.
        history: how much of what was before a day is looked at.

    Returns:
        `JUDGED`, ordered by bucket. Without `score` and `least_*` for silence, which is judged as it is: a score of
        `DEVIATIONS` or more is a silence.
    """
    parts = [_evaluate_day(grid, day, history // DAY) for day in _days(grid, since, until)]
    evaluated = pl.concat(parts) if parts else pl.DataFrame(schema=EVALUATED)
    return evaluated.filter((pl.col("bucket") >= since) & (pl.col("bucket") < until)).sort(
        "bucket", maintain_order=True
    )


def _days(grid: Grid, since: datetime, until: datetime) -> Iterator[int]:
    first = max(0, (midnight(since) - grid.start) // DAY)
    last = min(-((grid.start - until) // DAY), grid.x.shape[1] // grid.a_day)
    yield from range(first, last)


def _evaluate_day(grid: Grid, day: int, length: int) -> pl.DataFrame:
    cut = slice(day * grid.a_day, (day + 1) * grid.a_day)
    values, n = grid.values()[:, cut], grid.n[:, cut]
    expected_of_day = baseline(grid, day, length)
    nothing = np.full(values.shape, np.nan)
    if expected_of_day is None:
        return _frame(grid, day, values, n, nothing, nothing, nothing, nothing, nothing)
    if grid.metric == "silence":
        expected, score = _silence(grid, day, expected_of_day)
        return _frame(grid, day, values, n, expected, nothing, score, nothing, nothing)
    expected, over = expected_of_day.expected, np.ones(values.shape)
    if grid.metric in ENOUGH:
        values, n, expected, over = _gathered(grid, day, expected)
    scale = _scale(grid.metric, expected_of_day, expected, n, over)
    score = (values - expected) / scale
    least = _LEAST[grid.metric]
    few = 0 * n if grid.metric == "delay" else FEWEST / np.maximum(n, 1.0)
    high = expected + np.maximum(np.maximum(few, least.apart), np.abs(expected) * (least.ratio - 1))
    if not least.both_ways:
        low = np.full(values.shape, -np.inf)
    elif grid.metric == "delay":
        low = 2 * expected - high
    else:
        low = np.minimum(expected - few, expected / least.ratio)
    return _frame(grid, day, values, n, expected, scale, score, low, high)


def _gathered(grid: Grid, day: int, expected: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Values, n and expected over so many of the last buckets that `ENOUGH` is in them, and how many these are.

    What was expected the day before is taken to be what is expected today.
    """
    most = max(1, GATHERED_OVER // grid.bucket)
    start = day * grid.a_day
    first = max(0, start - most)
    cut = slice(first, start + grid.a_day)
    x, n = grid.x[:, cut], grid.n[:, cut]
    wanted = n * np.take(expected, np.arange(first, start + grid.a_day) % grid.a_day, axis=1)
    enough, is_share = ENOUGH[grid.metric], grid.metric not in {"ctr", "cvr"}
    sums = [np.cumsum(np.pad(np.nan_to_num(part), ((0, 0), (most, 0))), axis=1) for part in (x, n, wanted)]
    end = np.arange(start - first, start - first + grid.a_day) + most
    found = [np.full(expected.shape, np.nan) for _ in range(4)]
    for over in range(1, most + 1):
        x_sum, n_sum, wanted_sum = (part[:, end] - part[:, end - over] for part in sums)
        columns = (divided(x_sum, n_sum), n_sum, divided(wanted_sum, n_sum), np.full(n_sum.shape, float(over)))
        now = np.isnan(found[3]) & (((n_sum if is_share else wanted_sum) >= enough) | (over == most))
        for kept, column in zip(found, columns, strict=True):
            kept[now] = column[now]
    values, n_sum, wanted_share, buckets = found
    return values, n_sum, np.where(np.isnan(expected), np.nan, wanted_share), buckets


def _scale(metric: Metric, known: Baseline, expected: Floats, n: Floats, over: Floats) -> Floats:
    least, rows = _LEAST[metric], np.maximum(n, 1.0)
    if metric == "volume":
        parts = [known.spread * expected, np.sqrt(expected)]
    else:
        # what was gathered from several buckets is spread as its n has it
        parts = [np.where(over > 1, 0, known.spread), known.spread_one / np.sqrt(rows)]
        if metric != "delay":
            parts.append(np.sqrt(np.maximum(expected, 0.5 / rows) / rows))
    parts.append(np.maximum(least.floor, least.floor_ratio * np.abs(expected)))
    largest = np.fmax.reduce(parts)
    return np.asarray(largest * np.sqrt(1 + np.pi / 2 / known.days) + 0 * expected)


def _silence(grid: Grid, day: int, known: Baseline) -> tuple[Floats, Floats]:
    """What is expected, and `DEVIATIONS` times how long the silence is, as a part of one that is told.

    A silence may have begun the day before; what was expected then is taken to be what is expected today.
    """
    expected = np.where(known.occupied >= OCCUPIED, known.expected, np.nan)
    score = np.where(np.isnan(expected), np.nan, 0.0)
    start = day * grid.a_day
    for row in range(len(grid.of)):
        missed = 0.0
        for place in range(max(0, start - grid.a_day), start + grid.a_day):
            should = expected[row, place % grid.a_day]
            if grid.n[row, place] == 0 or grid.x[row, place] > 0:
                missed = 0.0
            elif not np.isnan(should):
                missed += should
            if place >= start and not np.isnan(should):
                score[row, place - start] = DEVIATIONS * missed / SILENT_EVENTS
    return expected, score


def _frame(grid: Grid, day: int, values: Floats, n: Floats, *columns: Floats) -> pl.DataFrame:
    cut = slice(day * grid.a_day, (day + 1) * grid.a_day)
    own, own_of = grid.values()[:, cut], grid.n[:, cut]
    rows, places = np.nonzero(own_of > 0)
    minutes = pl.Series(places * (grid.bucket // timedelta(minutes=1)), dtype=pl.Int64)
    frame = pl.DataFrame(
        {
            "minutes": minutes,
            "feed": pl.Series([grid.of[int(row)].feed for row in rows], dtype=pl.String),
            "campaign": pl.Series([grid.of[int(row)].campaign for row in rows], dtype=pl.String),
            "value": values[rows, places],
            "of": n[rows, places],
            "own": own[rows, places],
            "own_of": own_of[rows, places],
            **{name: column[rows, places] for name, column in zip(list(EVALUATED)[8:], columns, strict=True)},
        }
    )
    begin = pl.lit(grid.start + day * DAY) + pl.duration(minutes="minutes")
    return frame.with_columns(bucket=begin, metric=pl.lit(grid.metric)).select(
        pl.col(name).cast(dtype).fill_nan(None) if dtype == pl.Float64() else pl.col(name).cast(dtype)
        for name, dtype in EVALUATED.items()
    )
