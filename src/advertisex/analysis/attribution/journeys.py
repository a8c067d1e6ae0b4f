"""Journeys: which touches lead to which conversion, and which lead to none.

Touches and conversions are ordered by group and time, so the touches in a conversion's window are contiguous and found
by binary search. A user with very many of both can have billions of pairs, so pairs are built in bounded chunks.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from advertisex.analysis.attribution.touches import AttributionInput, Rules

Ints = NDArray[np.int64]

#: Maximum number of conversion-touch pairs in a chunk, unless a single conversion has more.
_MAX_PAIRS = 2_000_000


def journeys(inputs: AttributionInput, rules: Rules) -> Iterator[pl.DataFrame]:
    """Build the journeys of the target conversions. A frame holds many conversions; no conversion spans two frames.

    Yields:
        One row for each touch of each conversion, ordered by conversion and touch: conversion and touch (Int64, row
        indices into `inputs`), click, key, at (Int64, index of the touch in the journey, from 0), of (Int64, number of
        touches in the journey), age (Int64, µs before the conversion), conversions, value, currency (Categorical).
    """
    targets = inputs.conversions["is_target"].arg_true().cast(pl.Int64).to_numpy()
    touch_ranges = [
        _TouchRanges(inputs, targets, is_click, _micros(window))
        for is_click, window in ((True, rules.click_window), (False, rules.view_window))
    ]
    following = next_conversion(inputs) if rules.split else None
    sizes = sum((kind.sizes for kind in touch_ranges), np.zeros(len(targets), np.int64))
    for chunk in _chunks(sizes):
        pairs = pl.concat([kind.pairs(chunk) for kind in touch_ranges])
        if following is not None:
            pairs = pairs.filter(pl.Series(following[pairs["touch"].to_numpy()]) == pairs["conversion"])
        if pairs.height:
            yield _with_details(inputs, pairs.sort("conversion", "touch"))


def next_conversion(inputs: AttributionInput) -> Ints:
    """Find the conversion that ends the journey of each touch.

    It is the group's first conversion at or after the touch; ties go to the smallest event id. A click that converted
    ends its own journey.

    Returns:
        The row index of the conversion; the number of conversions if no conversion follows.
    """
    groups, times = _group_and_time(inputs.touches)
    group, time = _group_and_time(inputs.conversions)
    first, end = (np.searchsorted(groups, group, side) for side in ("left", "right"))
    stop = _bisect(times, first, end, time + 1)
    start = np.maximum(first, np.concatenate([[0], stop[:-1]])[: len(stop)])  # after the previous conversion
    sizes = stop - start
    following = np.full(len(times), len(time))
    following[_ranges(start, sizes)] = np.repeat(np.arange(len(time)), sizes)
    own = inputs.touches["own"]
    following[own.is_not_null().arg_true().to_numpy()] = own.drop_nulls().to_numpy()
    return following


def is_unconverted(inputs: AttributionInput, rules: Rules, following: Ints) -> NDArray[np.bool_]:
    """Check for each touch that no conversion follows within its window.

    Args:
        inputs: touches and conversions.
        rules: the windows.
        following: result of `next_conversion`: if that conversion is too late, so are all later ones.
    """
    ends = np.append(inputs.conversions["time"].to_numpy(), np.iinfo(np.int64).max)
    window = np.where(inputs.touches["click"], _micros(rules.click_window), _micros(rules.view_window))
    unconverted: NDArray[np.bool_] = ends[following] - window > inputs.touches["time"].to_numpy()
    return unconverted


class _TouchRanges:
    """For each conversion, the range of touches of one kind within the window before it."""

    def __init__(self, inputs: AttributionInput, targets: Ints, is_click: bool, window: int) -> None:
        kind = inputs.touches["click"].to_numpy() == is_click
        self._indices = np.flatnonzero(kind)
        self._targets = targets
        groups, times = (column[self._indices] for column in _group_and_time(inputs.touches))
        group, time = (column[targets] for column in _group_and_time(inputs.conversions))
        first, end = (np.searchsorted(groups, group, side) for side in ("left", "right"))
        self._first = _bisect(times, first, end, time - window)
        self.sizes: Ints = _bisect(times, first, end, time + 1) - self._first

    def pairs(self, chunk: slice) -> pl.DataFrame:
        sizes = self.sizes[chunk]
        touches = self._indices[_ranges(self._first[chunk], sizes)]
        return pl.DataFrame({"conversion": np.repeat(self._targets[chunk], sizes), "touch": touches})


def _with_details(inputs: AttributionInput, pairs: pl.DataFrame) -> pl.DataFrame:
    touches = inputs.touches[pairs["touch"]].select("click", "key", touched="time")
    currency = pl.col("currency").cast(pl.Categorical)  # groups far faster than text
    ends = inputs.conversions.select("time", "conversions", "value", currency)[pairs["conversion"]]
    here = pl.int_range(pl.len(), dtype=pl.Int64)
    return (
        pl.concat([pairs, touches, ends], how="horizontal")
        .with_columns(of=pl.len().over("conversion").cast(pl.Int64), age=pl.col("time") - pl.col("touched"), row=here)
        .with_columns(at=pl.col("row") - pl.col("row").min().over("conversion"))
        .drop("time", "touched", "row")
    )


def _chunks(sizes: Ints) -> Iterator[slice]:
    """Split the conversions into slices with at most `_MAX_PAIRS` pairs, or with a single conversion."""
    ends, start = np.cumsum(sizes), 0
    while start < len(sizes):
        done = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, done + _MAX_PAIRS, "right")))
        yield slice(start, end)
        start = end


def _group_and_time(rows: pl.DataFrame) -> tuple[NDArray[Any], Ints]:
    return rows["group"].to_numpy(), rows["time"].to_numpy()


def _bisect(times: Ints, first: Ints, end: Ints, target: Ints) -> Ints:
    """Binary search in each range of sorted times: the first index whose time is at or after the target, or the end."""
    low, high = first.copy(), end.copy()
    while (active := low < high).any():
        middle = (low + high) // 2
        before = active & (times[np.minimum(middle, len(times) - 1)] < target)
        low = np.where(before, middle + 1, low)
        high = np.where(active & ~before, middle, high)
    return low


def _ranges(first: Ints, sizes: Ints) -> Ints:
    """Concatenate the integers of ranges that begin with `first`."""
    return np.arange(sizes.sum()) + np.repeat(first - np.cumsum(sizes) + sizes, sizes)


def _micros(window: timedelta) -> int:
    return window // timedelta(microseconds=1)
