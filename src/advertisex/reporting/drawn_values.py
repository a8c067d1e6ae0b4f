"""Columns as Plotly takes them: numbers, times as text, and texts of the events without any meaning of their own."""

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any

import polars as pl

from advertisex.reporting.cells import NO_TEXT, said, visible
from advertisex.reporting.shorten import shortened

#: Where there is no text. The one tag that Plotly is given: no text of the events can be the same.
_NONE = f"<i>{NO_TEXT}</i>"

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


def text_of(value: Any) -> str:
    """A text of the events. Plotly reads tags in texts, so there are none."""
    if value is None:
        return _NONE
    return escape(value.isoformat() if isinstance(value, datetime) else said(value), quote=False)


def labels_of(values: Iterable[Any], longest: int) -> list[str]:
    """The same of several values, each short enough to stand beside an axis, and no two alike."""
    texts = [None if value is None else said(value) for value in values]
    short = iter(shortened([text for text in texts if text is not None], longest))
    return [_NONE if text is None else escape(next(short), quote=False) for text in texts]


def title_of(column: str) -> str:
    """The name of a column for people."""
    return escape(visible(column.replace("_", " ")), quote=False)
