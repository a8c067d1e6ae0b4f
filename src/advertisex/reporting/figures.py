"""Renders a chart as a Plotly figure: plain data, with all text from events escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from advertisex.reporting.drawn_values import numbers
from advertisex.reporting.funnel_figure import funnel
from advertisex.reporting.layout import layout_of
from advertisex.reporting.traces import heatmap, series

if TYPE_CHECKING:
    from advertisex.analysis.answer import Chart, Table

#: Limits on the bars and names in a figure; the minimum number of names applies however many bars each has.
_MOST_BARS, _MOST_NAMES, _FEWEST_NAMES = 80, 40, 12

#: Units of a duration, in seconds.
_UNITS = (("Days", 86_400), ("Hours", 3_600), ("Minutes", 60), ("Seconds", 1))

#: Fraction of a long-tailed distribution that the initial axis range covers.
_RANGE_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Figure:
    """A rendered chart.

    Attributes:
        title: title.
        data: Plotly traces.
        layout: Plotly layout; the page sets the colours of text and lines.
        note: which rows of the table are not shown; empty if all are.
    """

    title: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    note: str = ""


def figure(chart: "Chart", table: "Table") -> Figure:
    """Render a chart of a table's rows, in their order. If there are too many names, only the largest are shown."""
    rows = rows_of(chart, table)
    if chart.kind == "funnel":
        return Figure(chart.title, *funnel(chart, rows))
    rows, unit = _in_unit(rows, [name for name in chart.y if name in table.seconds])
    left_out = 0
    if chart.kind == "bar" and chart.colour is None:
        rows = _summed(rows, chart)
    if chart.kind == "heatmap":
        most, across, size = _MOST_NAMES, chart.y, chart.colour
    else:
        bars = len(chart.y) * (rows[chart.colour].n_unique() if chart.colour else 1)
        most, across, size = min(_MOST_NAMES, max(_FEWEST_NAMES, _MOST_BARS // max(bars, 1))), (), chart.y[0]
    for column in (chart.x, *across):
        rows, dropped = _largest(rows, column, size, most)
        left_out += dropped
    data, panels = heatmap(chart, rows) if chart.kind == "heatmap" else series(chart, rows)
    layout = layout_of(chart, rows, panels, unit)
    note = f"largest only; {left_out:,} more in the table" if left_out else ""
    if chart.kind == "bar" and (end := _long_tail(rows[chart.x], rows[chart.y[0]])):
        layout["xaxis"] |= {"range": [0, end + 0.5]}
        note = f"up to {end:,} ({_RANGE_SHARE:.0%} of the total); pan right or see the table for the rest"
    return Figure(chart.title, data, layout, note)


def rows_of(chart: "Chart", table: "Table") -> pl.DataFrame:
    """The rows of a chart, with codes as words."""
    rows = table.rows
    if chart.only is not None:
        column, value = chart.only
        rows = rows.filter(pl.col(column).eq_missing(pl.lit(value, pl.String)))
    codes = {chart.x, chart.colour} & set(table.codes)
    return rows.with_columns(pl.col(sorted(filter(None, codes))).str.replace_all("_", " "))


def is_empty(chart: "Chart", table: "Table") -> bool:
    """Whether a figure would show nothing: no rows, or only missing numbers and zeros."""
    rows = rows_of(chart, table)
    sizes = [chart.colour] if chart.kind == "heatmap" and chart.colour else chart.y
    return not any(number for name in sizes for number in numbers(rows[name]))


def _in_unit(rows: pl.DataFrame, seconds: Sequence[str]) -> tuple[pl.DataFrame, str]:
    """Convert durations to the largest unit that the longest of them reaches."""
    if not seconds:
        return rows, ""
    longest = max((abs(number) for name in seconds for number in rows[name] if number is not None), default=0)
    unit, size = next((pair for pair in _UNITS if longest >= pair[1]), _UNITS[-1])
    return rows.with_columns(pl.col(seconds).cast(pl.Float64) / size), unit


def _summed(rows: pl.DataFrame, chart: "Chart") -> pl.DataFrame:
    """Sum the rows of each x value, since bars at the same position would hide each other."""
    if rows[chart.x].is_unique().all() or any(rows[y].dtype.is_float() for y in chart.y):
        return rows
    return rows.group_by(chart.x, maintain_order=True).agg(pl.col(chart.y).sum())


def _long_tail(along: pl.Series, sizes: pl.Series) -> int | None:
    """The x value up to which most of a long-tailed distribution of integers lies; None if all of it fits."""
    if not along.dtype.is_integer() or along.n_unique() <= _MOST_BARS:
        return None
    found = pl.DataFrame({"x": along, "size": sizes.cast(pl.Float64)}).group_by("x").agg(pl.col("size").sum()).sort("x")
    before = found.filter(pl.col("size").cum_sum() >= _RANGE_SHARE * pl.col("size").sum())
    return int(before["x"][0]) if before.height else None


def _largest(rows: pl.DataFrame, names: str, size: str | None, most: int) -> tuple[pl.DataFrame, int]:
    """Keep the rows of the names with the largest sums.

    Returns:
        The rows, and the number of names left out.
    """
    count = rows[names].n_unique()
    if not isinstance(rows[names].dtype, pl.String) or count <= most or size is None:
        return rows, 0
    sums = rows.group_by(names, maintain_order=True).agg(pl.col(size).cast(pl.Float64).sum())
    kept = sums.sort(size, descending=True, maintain_order=True).head(most)[names]
    return rows.filter(pl.col(names).is_in(kept.implode(), nulls_equal=True)), count - most
