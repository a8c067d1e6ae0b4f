"""Journeys: which touches lead to which conversion, and which lead to none.

Touches and conversions are ordered by group and time, so those of a window are one stretch of the touches, found by
binary search. A user with very many of both would have billions of pairs: they are made in parts of bounded size.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from advertisex.analysis.touches import Rules, World

Ints = NDArray[np.int64]

#: Pairs of a conversion and a touch made at once, unless one conversion alone has more.
_PAIRS = 2_000_000


def journeys(world: World, rules: Rules) -> Iterator[pl.DataFrame]:
    """The journeys of the conversions that are asked for, many conversions in each frame, none in two.

    Yields:
        One row for each touch of each conversion, ordered by conversion and touch: conversion and touch (Int64,
        their places in the world), click, key, at (Int64, the touch's place in the journey, from 0), of (Int64, how
        many there are), age (Int64, µs before the conversion), conversions, value, currency.
    """
    asked = world.conversions["asked"].arg_true().cast(pl.Int64).to_numpy()
    stretches = [
        _Stretches(world, asked, is_click, _micros(window))
        for is_click, window in ((True, rules.click_window), (False, rules.view_window))
    ]
    following = next_conversion(world) if rules.split else None
    sizes = sum((kind.sizes for kind in stretches), np.zeros(len(asked), np.int64))
    for part in _parts(sizes):
        pairs = pl.concat([kind.pairs(part) for kind in stretches])
        if following is not None:
            pairs = pairs.filter(pl.Series(following[pairs["touch"].to_numpy()]) == pairs["conversion"])
        if pairs.height:
            yield _described(world, pairs.sort("conversion", "touch"))


def next_conversion(world: World) -> Ints:
    """For each touch the conversion that ends its journey: its place, or how many there are where none does.

    It is the group's first at or after the touch's time, of several at one time the one with the smallest event id;
    a click that converted ends its own.
    """
    own = world.touches["own"].fill_null(-1).to_numpy()
    groups, times = _group_and_time(world.conversions)
    group, time = _group_and_time(world.touches)
    first, end = (np.searchsorted(groups, group, side) for side in ("left", "right"))
    found = _bisect(times, first, end, time)
    return np.where(own >= 0, own, np.where(found < end, found, len(times)))


def is_free(world: World, rules: Rules, following: Ints) -> NDArray[np.bool_]:
    """For each touch, whether no conversion comes within its window.

    Args:
        world: touches and conversions.
        rules: the windows.
        following: of `next_conversion`: if that one is too late, all are.
    """
    ends = np.append(world.conversions["time"].to_numpy(), np.iinfo(np.int64).max)
    window = np.where(world.touches["click"], _micros(rules.click_window), _micros(rules.view_window))
    free: NDArray[np.bool_] = ends[following] - window > world.touches["time"].to_numpy()
    return free


class _Stretches:
    """The touches of one kind within a window before each conversion: a stretch of them for each."""

    def __init__(self, world: World, asked: Ints, is_click: bool, window: int) -> None:
        kind = world.touches["click"].to_numpy() == is_click
        self._places = np.flatnonzero(kind)
        self._asked = asked
        groups, times = (column[self._places] for column in _group_and_time(world.touches))
        group, time = (column[asked] for column in _group_and_time(world.conversions))
        first, end = (np.searchsorted(groups, group, side) for side in ("left", "right"))
        self._first = _bisect(times, first, end, time - window)
        self.sizes: Ints = _bisect(times, first, end, time + 1) - self._first

    def pairs(self, part: slice) -> pl.DataFrame:
        sizes = self.sizes[part]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        touches = self._places[np.repeat(self._first[part], sizes) + within]
        return pl.DataFrame({"conversion": np.repeat(self._asked[part], sizes), "touch": touches})


def _described(world: World, pairs: pl.DataFrame) -> pl.DataFrame:
    touches = world.touches[pairs["touch"]].select("click", "key", touched="time")
    ends = world.conversions[pairs["conversion"]].select("time", "conversions", "value", "currency")
    here = pl.int_range(pl.len(), dtype=pl.Int64)
    return (
        pl.concat([pairs, touches, ends], how="horizontal")
        .with_columns(of=pl.len().over("conversion").cast(pl.Int64), age=pl.col("time") - pl.col("touched"), row=here)
        .with_columns(at=pl.col("row") - pl.col("row").min().over("conversion"))
        .drop("time", "touched", "row")
    )


def _parts(sizes: Ints) -> Iterator[slice]:
    """Cut into parts of at most `_PAIRS` altogether, and of at least one."""
    ends, start = np.cumsum(sizes), 0
    while start < len(sizes):
        done = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, done + _PAIRS, "right")))
        yield slice(start, end)
        start = end


def _group_and_time(rows: pl.DataFrame) -> tuple[NDArray[Any], Ints]:
    return rows["group"].to_numpy(), rows["time"].to_numpy()


def _bisect(times: Ints, first: Ints, end: Ints, sought: Ints) -> Ints:
    """In each stretch of rising times, the first place whose time is not before the sought, or the end."""
    low, high = first.copy(), end.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        before = open_ & (times[np.minimum(middle, len(times) - 1)] < sought)
        low = np.where(before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low


def _micros(window: timedelta) -> int:
    return window // timedelta(microseconds=1)
