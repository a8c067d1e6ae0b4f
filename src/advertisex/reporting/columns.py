"""The columns of a table formatted for display: a ratio and its interval share a column, numbers are right-aligned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from advertisex.model import CREDIT
from advertisex.reporting.amounts import currency_in, format_amounts
from advertisex.reporting.cells import (
    NO_TEXT,
    format_credits,
    format_delay,
    format_interval,
    format_named,
    format_times,
    interval_of,
    visible,
)

if TYPE_CHECKING:
    from advertisex.analysis.answer import Table


@dataclass(frozen=True, slots=True)
class Column:
    """A formatted column.

    Attributes:
        name: heading.
        kind: "number" (right-aligned), "time", or "" for text.
        cells: formatted values.
        values: raw values, for sorting.
    """

    name: str
    kind: Literal["number", "time", ""]
    cells: Sequence[str]
    values: Sequence[Any]


def columns_of(table: "Table", most: int) -> Iterator[Column]:
    """Format the first `most` rows. The bounds of a ratio are merged into its column."""
    rows = table.rows.head(most)
    for column in rows:
        if not _is_bound(rows, column):
            if column.name in table.quantities:
                cells = _quantities(rows, column)
            else:
                cells = list(map(format_delay, column)) if column.name in table.seconds else _cells(rows, column)
            yield Column(visible(column.name), _kind(column.dtype), cells, column.to_list())


def _is_bound(rows: pl.DataFrame, column: pl.Series) -> bool:
    """Whether the column is a bound of an interval, and not an amount in a currency named `low` or `high`."""
    return interval_of(column.name) in rows.columns and not isinstance(column.dtype, pl.Decimal)


def _kind(dtype: pl.DataType) -> Literal["number", "time", ""]:
    return "number" if dtype.is_numeric() else "time" if dtype.is_temporal() else ""


def _currencies(rows: pl.DataFrame, column: str) -> list[str | None]:
    """The currency of each amount of a column: that of the row, or that of the column's name."""
    return rows["currency"].to_list() if "currency" in rows.columns else [currency_in(column)] * rows.height


def _quantities(rows: pl.DataFrame, column: pl.Series) -> list[str]:
    """Counts, with a decimal if they are not whole, and amounts with the digits of their currency."""
    amounts = [None if value is None else Decimal(value) for value in column]
    money = format_amounts(amounts, rows["currency"].to_list())
    return [
        text if measure == "spend" or amount is None else _count(amount)
        for amount, text, measure in zip(amounts, money, rows["measure"], strict=True)
    ]


def _count(number: Decimal) -> str:
    return f"{number:,.{0 if number == number.to_integral_value() else 1}f}"


def _cells(rows: pl.DataFrame, column: pl.Series) -> list[str]:
    if column.dtype.is_temporal() and not isinstance(column.dtype, pl.Duration):
        return format_times(column.to_list(), hours=column.name == "hour")
    if isinstance(column.dtype, pl.Decimal):
        amounts = column.to_list()
        if column.dtype.scale == CREDIT:
            return format_credits(amounts)
        return format_amounts(amounts, _currencies(rows, column.name))
    if column.dtype == pl.String:
        return [NO_TEXT if value is None else format_named(column.name, value) for value in column]
    cells = [format_named(column.name, value) for value in column]
    bounds = [f"{column.name}_low", f"{column.name}_high"]
    if interval_of(bounds[0]) is None or not set(bounds) <= set(rows.columns):
        return cells
    pairs = rows.select(bounds).iter_rows()
    return [cell + format_interval(column.name, *pair) for cell, pair in zip(cells, pairs, strict=True)]
