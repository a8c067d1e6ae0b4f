"""Sorting of the tables of a page, by its address: `sort=TABLE.COLUMN` rising, `sort=TABLE.-COLUMN` falling."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlencode

import polars as pl
from fastapi import Request

from advertisex.analysis.answer import Table
from advertisex.errors import ConfigurationError

SORT = "sort"


class Heading(NamedTuple):
    """The heading of a column: where it leads to, and how the column is sorted, in the words of `aria-sort`."""

    address: str
    sorted: str


@dataclass(frozen=True, slots=True)
class Order:
    """How one table of a page is sorted.

    Attributes:
        table: the name of the table, unique on the page.
        column: its column.
        falling: the greatest value first; rows without a value are always last.
    """

    table: str = ""
    column: str = ""
    falling: bool = False

    @classmethod
    def of(cls, request: Request) -> "Order":
        """Read the order from an address; one without a table, if it has none.

        Raises:
            ConfigurationError: it is not valid.
        """
        given = [value for value in request.query_params.getlist(SORT) if value]
        if not given:
            return cls()
        table, dot, column = given[-1].partition(".")
        if len(given) > 1 or not (table and dot and column.removeprefix("-")):
            raise ConfigurationError(f"sort: {given[-1]!r} is not a valid order", hint="use TABLE.COLUMN, once")
        return cls(table, column.removeprefix("-"), column.startswith("-"))

    def check(self, tables: Iterable[str]) -> None:
        """Check that the page has the table.

        Raises:
            ConfigurationError: it does not.
        """
        names = list(tables)
        if self.table and self.table not in names:
            raise ConfigurationError(f"sort: unknown table {self.table!r}", hint=f"use one of {', '.join(names)}")

    def apply(self, table: Table, name: str) -> Table:
        """Sort a table, if it is the one; its name on the page may differ from its own.

        Raises:
            ConfigurationError: it does not have the column.
        """
        if name != self.table:
            return table
        columns = table.rows.columns
        if self.column not in columns:
            raise ConfigurationError(
                f"sort: {self.table} has no column {self.column!r}", hint=f"use one of {', '.join(columns)}"
            )
        rows = table.rows.sort(self.column, descending=self.falling, nulls_last=True, maintain_order=True)
        return replace(table, rows=rows)

    def query(self) -> list[tuple[str, str]]:
        """The option of an address with this order."""
        return [(SORT, f"{self.table}.{'-' if self.falling else ''}{self.column}")] if self.table else []

    def headings(self, request: Request, table: Table, name: str) -> Mapping[str, Heading]:
        """The headings of a table: each sorts by its column, and the other way round if it is sorted by it."""
        kept = [pair for pair in request.query_params.multi_items() if pair[0] != SORT and pair[1]]

        def heading(column: str, dtype: pl.DataType) -> Heading:
            is_sorted = (self.table, self.column) == (name, column)
            falling = not self.falling if is_sorted else dtype.is_numeric()
            query = urlencode([*kept, *Order(name, column, falling).query()])
            state = ("descending" if self.falling else "ascending") if is_sorted else ""
            return Heading(f"{request.url.path}?{query}#table-{name}", state)

        return {column: heading(column, dtype) for column, dtype in table.rows.schema.items()}
