"""Lags: how long after the first and the last touch of its journey a conversion comes."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

import polars as pl

from advertisex.analysis.intervals import share
from advertisex.analysis.money import decimals
from advertisex.reporting.cells import duration_text

#: The reported quantiles, in per cent.
_QUANTILES = {"min": 0, "p25": 25, "median": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99, "max": 100}

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: Where a part of the distribution ends and the next one begins.
_BOUNDS = (
    *(_MINUTE, 10 * _MINUTE, _HOUR, 6 * _HOUR),
    *(days * _DAY for days in (1, 2, 3, 4, 5, 6, 7, 14, 21, 28, 60, 90, 180, 365)),
)
#: The ages that are lags, by the touch that they are measured from.
_AGES = {"first": "first_age", "last": "last_age"}


def quantiles(found: pl.DataFrame) -> pl.DataFrame:
    """Compute the quantiles of both lags.

    A quantile is the smallest lag that at least that fraction of the conversions does not exceed: definition 1 of R. J.
    Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996) 361-365.

    Args:
        found: the conversions with a touch, see `followed`.

    Returns:
        touch (`first`, `last`), conversions (Int64), min, p25, median, p75, p90, p95, p99, max in seconds (Decimal(38,
        6), exact); no rows without conversions.
    """
    rows = [(touch, *_of(found, age)) for touch, age in _AGES.items() if found.height]
    names = ["touch", "conversions", *_QUANTILES]
    table = pl.DataFrame(rows, {name: pl.String if name == "touch" else pl.Int64 for name in names}, orient="row")
    return table.with_columns(decimals(table[name], 6) for name in _QUANTILES)


def _of(found: pl.DataFrame, age: str) -> tuple[int, ...]:
    """The number of conversions, and the quantiles of an age, by which each of them counts."""
    ordered = found.select(age, "conversions").sort(age)
    counted = ordered["conversions"].cum_sum()
    total = int(counted[-1])
    # the smallest lag that p % of the conversions do not exceed is that of conversion ⌈p n / 100⌉, counted from 1
    places = pl.Series([max((percent * total + 99) // 100, 1) for percent in _QUANTILES.values()], dtype=pl.Int64)
    return total, *ordered[age].gather(counted.search_sorted(places, side="left"))


def distribution(found: pl.DataFrame, window: timedelta) -> pl.DataFrame:
    """Count the conversions by both lags.

    Args:
        found: the conversions with a touch, see `followed`.
        window: how long before the conversion a touch counts.

    Returns:
        lag (from and to, as text; the beginning is excluded unless it is 0, the end is included), from_first, from_last
        (conversions, Int64), from_first_share and from_last_share (of all, up to the end; Float64, null without any).
        Parts without conversions have rows too.
    """
    ends = [*(bound for bound in _BOUNDS if bound < window), window]
    parts = pl.DataFrame({"lag": _names(ends), "part": range(len(ends))}, schema_overrides={"part": pl.UInt32})
    edges = pl.Series([end // timedelta(microseconds=1) for end in ends], dtype=pl.Int64)
    for touch, age in _AGES.items():
        counted = found.select("conversions", part=edges.search_sorted(found[age], side="left").cast(pl.UInt32))
        sums = counted.group_by("part").agg(pl.col("conversions").sum().alias(f"from_{touch}"))
        parts = parts.join(sums, on="part", how="left", maintain_order="left")
    counts = [f"from_{touch}" for touch in _AGES]
    shares = [
        pl.when(pl.col(name).sum() > 0).then(share(pl.col(name).cum_sum(), pl.col(name).sum())).alias(f"{name}_share")
        for name in counts
    ]
    return parts.drop("part").with_columns(pl.col(counts).fill_null(0)).with_columns(shares)


def _names(ends: Iterable[timedelta]) -> list[str]:
    return [f"{duration_text(start)}-{duration_text(end)}" for start, end in pairwise([timedelta(0), *ends])]
