"""A funnel: one centred bar for each step, from the widest to the narrowest."""

from typing import TYPE_CHECKING, Any

import polars as pl

from advertisex.reporting.cells import format_value, is_ratio, percent
from advertisex.reporting.drawn_values import numbers, text_of, title_of
from advertisex.reporting.layout import frame
from advertisex.reporting.traces import COLOURS

if TYPE_CHECKING:
    from advertisex.analysis.answer import Chart

#: Heights in pixels of a step and of the margins.
_STEP, _AROUND = 70, 40

#: Colour of the area between two steps: that of the bars, mostly transparent.
_BETWEEN = "rgba(0, 114, 178, 0.25)"


def funnel(chart: "Chart", rows: pl.DataFrame) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The trace and the layout of a funnel. The labels contain the numbers: a bar may be too narrow for them."""
    counts, *rate = chart.y
    steps = [text_of(step) for step in rows[chart.x]]
    texts = [format_value(count) for count in rows[counts]]
    if rate:
        texts = [
            text if share is None else f"{text} · {percent(share) if is_ratio(rate[0]) else format_value(share)}"
            for text, share in zip(texts, rows[rate[0]], strict=True)
        ]
    trace = {
        "type": "funnel",
        "name": title_of(counts),
        "x": numbers(rows[counts]),
        "y": steps,
        "textinfo": "none",
        "marker": {"color": COLOURS[0]},
        "connector": {"fillcolor": _BETWEEN, "line": {"width": 0}},
        "hovertemplate": "%{y}: %{x:,}<extra></extra>",
    }
    layout = frame(_AROUND + _STEP * len(steps)) | {
        "margin": {"l": 16, "r": 16, "t": 16, "b": 16},
        "hovermode": "closest",
        "showlegend": False,
        "xaxis": {"visible": False},
        "yaxis": {
            "type": "category",
            "automargin": True,
            "showgrid": False,
            "tickmode": "array",
            "tickvals": steps,
            "ticktext": [f"<b>{title_of(step)}</b><br>{text}" for step, text in zip(rows[chart.x], texts, strict=True)],
        },
    }
    return [trace], layout
