"""What the touches of each conversion say about it: how many, how long before, of which kind, and its path."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from advertisex.analysis.attribution.journeys import journeys
from advertisex.analysis.attribution.touches import AttributionInput, Rules

_COLUMNS = {
    "conversion": pl.Int64,
    "conversions": pl.Int64,
    "touches": pl.Int64,
    "first_age": pl.Int64,
    "last_age": pl.Int64,
    "click_age": pl.Int64,
    "view_age": pl.Int64,
    "first": pl.UInt32,
    "last": pl.UInt32,
    "steps": pl.Int64,
    "path": pl.Binary,
}
_AGE, _KEY = pl.col("age"), pl.col("key")


def followed(inputs: AttributionInput, rules: Rules) -> pl.DataFrame:
    """Summarise the journey of each target conversion that has a touch.

    Returns:
        conversion (Int64, row index into `inputs.conversions`), conversions and touches (Int64); first_age and
        last_age, those of the first and the last touch, click_age and view_age, those of the last click and the last
        view, null without one (Int64, µs); first and last (UInt32, keys), steps (Int64, see `paths`) and path (its
        128-bit hash).
    """
    return pl.concat([pl.DataFrame(schema=_COLUMNS), *map(_summary, journeys(inputs, rules))])


def paths(inputs: AttributionInput, rules: Rules, conversions: pl.Series) -> dict[int, NDArray[np.uint32]]:
    """Return the paths of these conversions: their keys in order, consecutive touches of one key being one step."""
    chosen = pl.int_range(inputs.conversions.height, dtype=pl.Int64, eager=True).is_in(conversions.implode())
    only = replace(inputs, conversions=inputs.conversions.with_columns(is_target=pl.col("is_target") & chosen))
    return {conversion: path for frame in journeys(only, rules) for conversion, path in _paths(frame)}


def _summary(frame: pl.DataFrame) -> pl.DataFrame:
    walked = list(_paths(frame))
    return (
        frame.group_by("conversion", maintain_order=True)
        .agg(
            pl.col("conversions").first(),
            pl.len().cast(pl.Int64).alias("touches"),
            _AGE.first().alias("first_age"),
            _AGE.last().alias("last_age"),
            _AGE.filter("click").last().alias("click_age"),
            _AGE.filter(~pl.col("click")).last().alias("view_age"),
            _KEY.first().alias("first"),
            _KEY.last().alias("last"),
        )
        .with_columns(
            steps=pl.Series([len(path) for _, path in walked], dtype=pl.Int64),
            path=pl.Series(_hashes(path for _, path in walked), dtype=pl.Binary),
        )
        .select(*_COLUMNS)
    )


def _paths(frame: pl.DataFrame) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Yield each conversion of a frame of `journeys` and its path."""
    begins_step = (pl.col("at") == 0) | (_KEY.shift() != _KEY)
    steps = frame.filter(begins_step).select("conversion", "key")
    keys = steps["key"].to_numpy()
    sizes: Sequence[tuple[int, int]] = steps["conversion"].rle().struct.unnest().select("value", "len").rows()
    start = 0
    for conversion, size in sizes:
        yield conversion, keys[start : start + size]
        start += size


def _hashes(walked: Iterable[NDArray[np.uint32]]) -> list[bytes]:
    """Identify each path by 128 bits: a journey can have any number of steps, and a user any number of journeys."""
    return [xxhash.xxh3_128_digest(path.astype("<u4").data) for path in walked]
