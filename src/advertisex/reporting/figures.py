"""A chart as Plotly's figure: plain data for its JavaScript, with every text of the events escaped."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from advertisex.analysis.answer import Chart
from advertisex.reporting.layout import layout_of
from advertisex.reporting.traces import heatmap, series

#: More bars than these are not told apart; but so many names there are, of however many bars. The table has them all.
_MOST_BARS, _MOST_NAMES, _FEWEST_NAMES = 80, 40, 12

#: The share of a distribution that a figure of it begins with.
_MOST = 0.99


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn chart.

    Attributes:
        says: its title.
        data: Plotly's traces.
        layout: Plotly's layout; colours of text and lines are the page's.
        note: what of the table it does not show; empty where it shows all.
    """

    says: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    note: str = ""


def figure(chart: Chart, rows: pl.DataFrame) -> Figure:
    """Draw a chart of a table's rows, in their order; where there are too many names, the largest."""
    left_out = 0
    if chart.kind == "bar" and chart.colour is None:
        rows = _added_up(rows, chart)
    if chart.kind == "heatmap":
        most, across, size = _MOST_NAMES, chart.y, chart.colour
    else:
        bars = len(chart.y) * (rows[chart.colour].n_unique() if chart.colour else 1)
        most, across, size = min(_MOST_NAMES, max(_FEWEST_NAMES, _MOST_BARS // max(bars, 1))), (), chart.y[0]
    for column in (chart.x, *across):
        rows, without = _largest(rows, column, size, most)
        left_out += without
    data, panels = heatmap(chart, rows) if chart.kind == "heatmap" else series(chart, rows)
    layout = layout_of(chart, rows, panels)
    note = f"the largest; {left_out:,} more in the table" if left_out else ""
    if chart.kind == "bar" and (end := _long_tail(rows[chart.x], rows[chart.y[0]])):
        layout["xaxis"] |= {"range": [0, end + 0.5]}
        note = f"up to {end:,}, which is {_MOST:.0%}; the rest is in the table, and to the right"
    return Figure(chart.says, data, layout, note)


def _added_up(rows: pl.DataFrame, chart: Chart) -> pl.DataFrame:
    """One row for each value along, with the sums of the numbers: bars at one place would hide each other."""
    if rows[chart.x].is_unique().all() or any(rows[y].dtype.is_float() for y in chart.y):
        return rows
    return rows.group_by(chart.x, maintain_order=True).agg(pl.col(chart.y).sum())


def _long_tail(along: pl.Series, sizes: pl.Series) -> int | None:
    """Where most of a distribution over whole numbers lies before, if its tail would leave it no room."""
    if not along.dtype.is_integer() or along.n_unique() <= _MOST_BARS:
        return None
    found = pl.DataFrame({"x": along, "size": sizes.cast(pl.Float64)}).group_by("x").agg(pl.col("size").sum()).sort("x")
    before = found.filter(pl.col("size").cum_sum() >= _MOST * pl.col("size").sum())
    return int(before["x"][0]) if before.height else None


def _largest(rows: pl.DataFrame, names: str, size: str | None, most: int) -> tuple[pl.DataFrame, int]:
    """The rows of the names whose numbers are the largest, and how many names are left out."""
    count = rows[names].n_unique()
    if not isinstance(rows[names].dtype, pl.String) or count <= most or size is None:
        return rows, 0
    sums = rows.group_by(names, maintain_order=True).agg(pl.col(size).cast(pl.Float64).sum())
    kept = sums.sort(size, descending=True, maintain_order=True).head(most)[names]
    return rows.filter(pl.col(names).is_in(kept.implode(), nulls_equal=True)), count - most
