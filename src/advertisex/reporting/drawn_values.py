"""Columns as Plotly takes them: numbers, times as text, and texts of the events without any meaning of their own."""

from datetime import datetime
from html import escape
from typing import Any

import polars as pl

from advertisex.reporting.cells import said

#: How Plotly writes a ratio.
PERCENT = ".3~%"


def along(column: pl.Series) -> list[Any]:
    """The values of a column that lies along an axis."""
    if column.dtype.is_temporal():
        return [value.isoformat() if value is not None else None for value in column]
    return numbers(column) if column.dtype.is_numeric() else [text_of(value) for value in column]


def numbers(column: pl.Series) -> list[float | int | None]:
    """The numbers of a column; Decimal as the float nearest to it."""
    return [value if value is None or isinstance(value, int) else float(value) for value in column]


def text_of(value: Any, longest: int | None = None) -> str:
    """A text of the events. Plotly reads tags in texts, so there are none."""
    text = value.isoformat() if isinstance(value, datetime) else said(value)
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    return escape(text, quote=False)


def title_of(column: str) -> str:
    """The name of a column for people."""
    return escape(column.replace("_", " "), quote=False)
