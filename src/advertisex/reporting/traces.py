"""The traces of a figure: one per series of bars or points, or one heatmap."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from advertisex.reporting.cells import is_ratio
from advertisex.reporting.drawn_values import PERCENT, along, numbers, text_of, title_of

if TYPE_CHECKING:
    from advertisex.analysis.answer import Chart

#: Series whose peaks differ by more than this factor get separate panels; the smaller would look flat otherwise.
_APART = 10

#: Okabe and Ito's colour-blind safe palette (Okabe & Ito, Color Universal Design, 2008), limited to the colours that
#: are visible on both white and black, and two more.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#888888", "#b8a400")

#: Maximum number of points for large markers and for error bars.
_SPARSE = 60

#: Time columns with a fixed step; a missing time means that nothing happened.
_STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


def axis(letter: str, number: int) -> str:
    """Plotly's name of the axis of a panel; panels are numbered from 0."""
    return letter if number == 0 else f"{letter}{number + 1}"


def series(chart: "Chart", rows: pl.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    """One trace per series, and the titles of the panels from top to bottom."""
    parts = [(name, _with_gaps(part, chart.x)) for name, part in _parts(chart, rows)]
    panels = list(chart.y) if _differ(rows, chart.y) else [""]
    traces = []
    for number, (name, part, y) in enumerate((name, part, y) for name, part in parts for y in chart.y):
        panel = chart.y.index(y) if len(panels) > 1 else 0
        label = " ".join(text for text in (name, title_of(y) if len(chart.y) > 1 or not name else "") if text)
        traces.append(
            {
                "name": label,
                "x": along(part[chart.x]),
                "y": numbers(part[y]),
                "yaxis": axis("y", panel),
                **_interval(part, y),
                **(_line(number, part.height) if chart.kind == "line" else _bars(number)),
            }
        )
    return traces, panels


def _with_gaps(rows: pl.DataFrame, x: str) -> pl.DataFrame:
    """Sort the rows by time, and add an empty row to each gap.

    Otherwise a line would connect the points around the gap, and the bars would have the wrong width.
    """
    step = _STEPS.get(x)
    if step is None or not rows[x].dtype.is_temporal():
        return rows
    rows = rows.sort(x, maintain_order=True)
    empty = rows.filter(pl.col(x).diff().shift(-1) > step).select(pl.col(x) + step)
    return pl.concat([rows, empty], how="diagonal").sort(x, maintain_order=True)


def _interval(rows: pl.DataFrame, y: str) -> dict[str, Any]:
    """The interval of a ratio as error bars; empty if there are too many points."""
    bounds = f"{y}_low", f"{y}_high"
    if not is_ratio(y) or not set(bounds) <= set(rows.columns) or rows.height > _SPARSE:
        return {}
    low, high = (rows[bound] for bound in bounds)
    sizes = {"array": numbers(high - rows[y]), "arrayminus": numbers(rows[y] - low)}
    return {"error_y": {"type": "data", "symmetric": False, "thickness": 1, "width": 3, **sizes}}


def _bars(number: int) -> dict[str, Any]:
    """The style of a bar series; hatched once the colours repeat."""
    pattern = {"pattern": {"shape": "/"}} if number >= len(COLOURS) else {}
    return {"type": "bar", "marker": {"color": COLOURS[number % len(COLOURS)], **pattern}}


def _line(number: int, points: int) -> dict[str, Any]:
    """The style of a line series; dashed once the colours repeat."""
    colour = COLOURS[number % len(COLOURS)]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "marker": {"color": colour, "size": 6 if points <= _SPARSE else 3},
        "line": {"color": colour, "dash": "solid" if number < len(COLOURS) else "dash"},
    }


def _parts(chart: "Chart", rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The name and rows of each series; `colour` splits the rows into series."""
    if chart.colour is None:
        yield "", rows
        return
    for (value,), part in rows.group_by(chart.colour, maintain_order=True):
        yield text_of(value), part


def heatmap(chart: "Chart", rows: pl.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    """The trace of a heatmap, and the title of its panel."""
    assert chart.colour is not None
    (across,) = chart.y
    up, right = (rows[column].unique(maintain_order=True) for column in (across, chart.x))
    if right.dtype == up.dtype:  # show common names in the same order on both axes
        same = up.filter(up.is_in(right.implode(), nulls_equal=True))
        right = pl.concat([same, right]).unique(maintain_order=True)
    values = dict(zip(rows.select(chart.x, across).iter_rows(), numbers(rows[chart.colour]), strict=True))
    trace = {
        "type": "heatmap",
        "x": along(right),
        "y": along(up),
        "z": [[values.get((x, y)) for x in right] for y in up],
        "colorscale": "Viridis",
        "colorbar": {
            "title": {"text": title_of(chart.colour)},
            "thickness": 12,
            "outlinewidth": 0,
            "tickformat": PERCENT if is_ratio(chart.colour) else "",
        },
        "hovertemplate": f"%{{x}} · %{{y}}<br>%{{z:{PERCENT if is_ratio(chart.colour) else ','}}}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    return [trace], [across]


def _differ(rows: pl.DataFrame, columns: Sequence[str]) -> bool:
    peaks = [peak for column in columns if (peak := max(map(abs, filter(None, numbers(rows[column]))), default=0))]
    return len(columns) > 1 and bool(peaks) and max(peaks) > _APART * min(peaks)
