"""The columns of a table as people read them: one for a ratio and its interval, numbers to the right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.analysis.exact import CREDIT, MONEY
from advertisex.reporting.cells import (
    NO_TEXT,
    interval_of,
    said_amounts,
    said_delay,
    said_interval,
    said_of,
    said_times,
    visible,
)

#: Credits are shared out in billionths; people read thousandths of a conversion. JSON and CSV have all digits.
_CREDIT_PLACES = 3


@dataclass(frozen=True, slots=True)
class Column:
    """A column for people.

    Attributes:
        name: its heading.
        kind: "number" (which stands to the right), "moment", or "" for text.
        cells: texts.
        values: what the texts say, to sort them by.
    """

    name: str
    kind: Literal["number", "moment", ""]
    cells: Sequence[str]
    values: Sequence[Any]


def columns_of(table: Table, most: int) -> Iterator[Column]:
    """The columns of the first rows, in their order; the bounds of a ratio are in the cells of the ratio."""
    rows = table.rows.head(most)
    for column in rows:
        if not _is_bound(rows, column):
            cells = list(map(said_delay, column)) if column.name in table.seconds else _cells(rows, column)
            yield Column(visible(column.name), _kind(column.dtype), cells, column.to_list())


def _is_bound(rows: pl.DataFrame, column: pl.Series) -> bool:
    """Whether it is of an interval, rather than money of a currency that is called so."""
    return interval_of(column.name) in rows.columns and not isinstance(column.dtype, pl.Decimal)


def _kind(dtype: pl.DataType) -> Literal["number", "moment", ""]:
    return "number" if dtype.is_numeric() else "moment" if dtype.is_temporal() else ""


def _cells(rows: pl.DataFrame, column: pl.Series) -> list[str]:
    if column.dtype.is_temporal() and not isinstance(column.dtype, pl.Duration):
        return said_times(column.to_list())
    if isinstance(column.dtype, pl.Decimal):
        return said_amounts(column.to_list(), most=_CREDIT_PLACES if column.dtype.scale == CREDIT else MONEY)
    if column.dtype == pl.String:
        return [NO_TEXT if value is None else said_of(column.name, value) for value in column]
    cells = [said_of(column.name, value) for value in column]
    bounds = [f"{column.name}_low", f"{column.name}_high"]
    if interval_of(bounds[0]) is None or not set(bounds) <= set(rows.columns):
        return cells
    pairs = rows.select(bounds).iter_rows()
    return [cell + said_interval(column.name, *pair) for cell, pair in zip(cells, pairs, strict=True)]
