"""The layout of a figure: panels, axes and legend. The page sets the colours of text and lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from advertisex.reporting.cells import format_times, is_ratio
from advertisex.reporting.drawn_values import PERCENT, along, labels_of, numbers, text_of, title_of
from advertisex.reporting.traces import axis

if TYPE_CHECKING:
    from advertisex.analysis.answer import Chart

#: Maximum characters of a label on the x axis and on the y axis.
_BELOW, _BESIDE = 22, 44

#: Heights in pixels of a panel, of the margins, of rotated labels and of a line of text; labels are rotated when they
#: have more than _CROWDED characters in total.
_PANEL, _AROUND, _UPRIGHT, _CROWDED, _LINE = 190, 110, 100, 60, 14

#: Number of names for which a legend has room, however narrow the figure is.
_NAMES = 6

#: Integers up to this get one tick each; Plotly would add fractional ticks.
_COUNTABLE = 8


def layout_of(chart: "Chart", rows: pl.DataFrame, panels: Sequence[str], unit: str = "") -> dict[str, Any]:
    """Create the layout of a figure.

    Args:
        chart: the chart.
        rows: the rows that are shown.
        panels: titles of the panels from top to bottom; empty for a single panel.
        unit: what the y axis of a single panel counts, if the columns do not say it.
    """
    named = chart.kind != "heatmap" and len(panels) == 1 and (len(chart.y) > 1 or chart.colour is not None)
    panels_high = max(len(panels), 2 if chart.kind == "heatmap" else 1.5)
    if chart.kind == "heatmap":
        panels_high = max(panels_high, rows[chart.y[0]].n_unique() * _LINE / _PANEL)
    along = _axis_of(rows[chart.x], _BELOW)
    crowded = sum(map(len, along.get("ticktext", ()))) > _CROWDED
    in_legend = rows[chart.colour].n_unique() * len(chart.y) if chart.colour and chart.kind != "heatmap" else 0
    legend = _LINE * max(0, in_legend - _NAMES)
    layout = frame(int(_AROUND + _PANEL * panels_high + (_UPRIGHT if crowded else 0) + legend)) | {
        "barmode": "stack" if chart.colour and rows[chart.x].dtype.is_temporal() else "group",
        "hovermode": "closest" if chart.kind == "heatmap" else "x unified",
        "showlegend": named or (chart.colour is not None and chart.kind != "heatmap"),
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        "xaxis": along
        | ({"tickangle": 90} if crowded else {})
        | {"title": {"text": title_of(chart.x), "standoff": 8}, "anchor": axis("y", len(panels) - 1)},
    }
    for panel, title in enumerate(panels):
        name = title_of(title) if title else (title_of(chart.y[0]) if len(chart.y) == 1 else unit)
        upward = {
            "title": {"text": name, "standoff": 8},
            "domain": _domain(panel, len(panels)),
            "anchor": "x",
            "automargin": True,
        }
        if chart.kind == "heatmap":
            upward |= _axis_of(rows[chart.y[0]], _BESIDE) | {"autorange": "reversed"}
        else:
            upward |= {"type": "linear", "rangemode": "tozero"}
            names = [title] if title else chart.y
            if all(map(is_ratio, names)):
                upward["tickformat"] = PERCENT
            stacked = rows.group_by(chart.x).agg(pl.col(names).sum()) if layout["barmode"] == "stack" else rows
            upward |= {"hoverformat": _hovered([rows[name] for name in names], names)}
            upward |= _ticks([stacked[name] for name in names])
        layout["yaxis" if panel == 0 else f"yaxis{panel + 1}"] = upward
    return layout


def frame(height: int) -> dict[str, Any]:
    """What the layouts of all figures have in common."""
    return {
        "height": height,
        "margin": {"l": 64, "r": 16, "t": 16, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"bgcolor": "#1a1f26", "bordercolor": "#1a1f26", "font": {"color": "#ffffff"}},
    }


def _domain(panel: int, panels: int) -> list[float]:
    """The vertical range of a panel, as fractions of the height; the first panel is on top."""
    height, gap = 1 / panels, 0.06 if panels > 1 else 0.0
    return [round(1 - (panel + 1) * height + (gap if panel + 1 < panels else 0), 4), round(1 - panel * height, 4)]


def _axis_of(column: pl.Series, longest: int) -> dict[str, Any]:
    """An axis of the column's type, so that Plotly does not guess it from the texts."""
    if column.dtype.is_temporal():
        if column.n_unique() > 1:
            return {"type": "date", "automargin": True}
        times = column.unique()  # Plotly would label a single time to the millisecond
        ticks = {"tickmode": "array", "tickvals": along(times), "ticktext": format_times(times.to_list())}
        return {"type": "category", "automargin": True} | ticks
    if column.dtype.is_numeric():
        return {"type": "linear", "automargin": True} | _ticks([column])
    names = column.unique(maintain_order=True)
    return {
        "type": "category",
        "automargin": True,
        "tickmode": "array",
        "tickvals": [text_of(name) for name in names],
        "ticktext": labels_of(names, longest),
    }


def _hovered(columns: Sequence[pl.Series], names: Sequence[str]) -> str:
    """The format of a hovered number, after that of the table."""
    if all(map(is_ratio, names)):
        return PERCENT
    if all(column.dtype.is_integer() for column in columns):
        return ","
    if all(isinstance(column.dtype, pl.Decimal) for column in columns):
        return ",.2f"
    return ",.4~r"


def _ticks(columns: Sequence[pl.Series]) -> dict[str, Any]:
    """One tick per integer if the numbers are small integers."""
    found = [abs(number) for column in columns for number in numbers(column) if number is not None]
    is_countable = all(column.dtype.is_integer() for column in columns) and max(found, default=0) <= _COUNTABLE
    return {"tick0": 0, "dtick": 1} if is_countable else {}
