"""The columns of a table as people read them: one for a ratio and its interval, numbers to the right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from advertisex.analysis.exact import CREDIT, MONEY
from advertisex.reporting.cells import said_amounts, said_interval, said_of, said_times

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


def columns_of(rows: pl.DataFrame) -> Iterator[Column]:
    """The columns in their order; `x_low` and `x_high` are in the cells of `x`."""
    for column in rows:
        of, _, end = column.name.rpartition("_")
        if end in ("low", "high") and {of, f"{of}_low", f"{of}_high"} <= set(rows.columns):
            continue
        yield Column(column.name, _kind(column.dtype), _cells(rows, column), column.to_list())


def _kind(dtype: pl.DataType) -> Literal["number", "moment", ""]:
    return "number" if dtype.is_numeric() else "moment" if dtype.is_temporal() else ""


def _cells(rows: pl.DataFrame, column: pl.Series) -> list[str]:
    if column.dtype.is_temporal() and not isinstance(column.dtype, pl.Duration):
        return said_times(column.to_list())
    if isinstance(column.dtype, pl.Decimal):
        return said_amounts(column.to_list(), most=_CREDIT_PLACES if column.dtype.scale == CREDIT else MONEY)
    cells = [said_of(column.name, value) for value in column]
    bounds = [f"{column.name}_low", f"{column.name}_high"]
    if not set(bounds) <= set(rows.columns):
        return cells
    pairs = rows.select(bounds).iter_rows()
    return [cell + said_interval(column.name, *pair) for cell, pair in zip(cells, pairs, strict=True)]
