"""Column values for Plotly: numbers, times as ISO strings, and HTML-escaped text."""

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any

import polars as pl

from advertisex.reporting.cells import NO_TEXT, format_value
from advertisex.reporting.labels import label
from advertisex.reporting.shorten import shortened

#: Missing text. Text from events is escaped, so it cannot equal this tag.
_NONE = f"<i>{NO_TEXT}</i>"

#: Plotly's format of a ratio.
PERCENT = ".3~%"


def along(column: pl.Series) -> list[Any]:
    """The values of a column along an axis."""
    if column.dtype.is_temporal():
        return [value.isoformat() if value is not None else None for value in column]
    return numbers(column) if column.dtype.is_numeric() else [text_of(value) for value in column]


def numbers(column: pl.Series) -> list[float | int | None]:
    """The numbers of a column; decimals are converted to float."""
    return [value if value is None or isinstance(value, int) else float(value) for value in column]


def text_of(value: Any) -> str:
    """Format a value as text, with HTML escaped, since Plotly interprets tags."""
    if value is None:
        return _NONE
    return escape(value.isoformat() if isinstance(value, datetime) else format_value(value), quote=False)


def labels_of(values: Iterable[Any], longest: int) -> list[str]:
    """Format values as axis labels of at most `longest` characters; different values get different labels."""
    texts = [None if value is None else format_value(value) for value in values]
    short = iter(shortened([text for text in texts if text is not None], longest))
    return [_NONE if text is None else escape(next(short), quote=False) for text in texts]


def title_of(column: str) -> str:
    """Format the name of a column or a code as a title."""
    return escape(label(column), quote=False)
