"""A table: its columns, and which of its rows are not data."""

import re
from collections import Counter
from collections.abc import Sequence

from advertisex.feeds.words import is_missing
from advertisex.ingestion.naming import Naming, spelled

_TOTAL_WORDS = (
    "total", "totals", "grand total", "grand totals", "report total", "report totals", "subtotal", "sub total",
    "sub-total", "sum", "summe", "gesamt", "gesamtsumme", "insgesamt", "zwischensumme", "totale", "totaal",
    "total general", "total geral", "total général", "somme",
)  # fmt: skip
#: What the first cell of a total row says.
TOTALS = frozenset(
    spelled + colon
    for word in _TOTAL_WORDS
    for spelled in (word, word.upper(), word.title(), word.capitalize())
    for colon in ("", ":", " :")
)


_DIGIT = re.compile(r"\d")


class Table:
    """The columns of a table, from one header to the next.

    Args:
        header: cells of the header, trimmed.
        columns: column of each cell.
        naming: how other headers map to columns.
    """

    def __init__(self, header: Sequence[str], columns: Sequence[str], naming: Naming) -> None:
        self.header, self.columns, self.width = list(header), list(columns), len(columns)
        #: Whether several columns have no name. A single one is an ordinary column: pandas writes its index like this.
        self.has_unnamed = self.columns.count("") > 1
        #: Number of empty cells after the last column in every row so far; None before the first row.
        self.trailing: int | None = None
        self._naming = naming
        self._times = naming.time_columns(columns)
        self._required = sorted(set(naming.required_columns(columns)) - set(self._times))
        plain = list(map(spelled, header))
        self._names = Counter(filter(None, plain))
        #: Its fields under any of their names, each with its number of columns.
        self.fields = Counter(naming.fields(list(filter(None, columns))))
        by_name = zip([*plain, *header], [*columns, *columns], strict=True)
        self._column_of = {name: column for name, column in by_name if self._names[name] <= 1 or name in header}
        self._digits_in_names = any(map(_DIGIT.search, header))

    def record(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the cells by column. A shorter row lacks the last columns."""
        pairs = zip(self.columns, cells, strict=False)
        return {name: cell for name, cell in pairs if name or cell} if self.has_unnamed else dict(pairs)

    def surplus(self, cells: Sequence[str]) -> str | None:
        """Return what is wrong with a row that has more cells than the table has columns for; None if it has not.

        Empty cells after the last column are allowed if every row so far has the same number of them: otherwise, a
        delimiter that is not quoted can have moved the cells of a row whose last ones are empty.
        """
        surplus = max(len(cells) - self.width, 0)
        if surplus and (any(cells[self.width :]) or self.trailing not in (None, surplus)):
            filled = max((number for number, cell in enumerate(cells, 1) if cell), default=0)
            return f"{filled if filled > self.width else len(cells)} cells, but the header has {self.width} columns"
        if self.has_unnamed:
            unnamed = sum(1 for name, cell in zip(self.columns, cells, strict=False) if cell and not name)
            if unnamed > 1:
                return f"{unnamed} cells are in columns without a name"
        self.trailing = surplus
        return None

    def suspects(self, rows: Sequence[list[str]]) -> list[list[str]]:
        """Return the rows that may not be data: they have no time; without times, they begin with nothing or a name."""
        if self._times:
            index = self._times[0]
            return [row for row in rows if len(row) <= index or not self._is_time(row[index])]
        firsts = {first for first in {"".join(row[:1]) for row in rows} if not first or self._is_name(first)}
        return [row for row in rows if "".join(row[:1]) in firsts] if firsts else []

    def kind(self, cells: Sequence[str]) -> str | None:
        """Return what a row is that is not data; None if it is data.

        The first cell of a total row says so, and it has neither a time nor another value of a required field.
        """
        first = next(filter(None, cells), "")
        if not first:
            return "blank"
        if not self._times or first not in TOTALS or self._has_time(cells):
            return None
        values = (cells[index] for index in self._required if index < len(cells))
        return "total row" if all(cell in TOTALS or _is_empty(cell) for cell in values) else None

    def repeated(self, cells: Sequence[str]) -> "Table | None":
        """Return the table that a row begins if it is a header; None if it is not.

        It names the columns or the fields of this table, in any spelling and order, or others where no time is.
        """
        if self.width < 2 or self._has_time(cells) or (not self._times and not self._is_name(cells[0])):
            return None
        named = zip(cells, self._naming.columns(cells), strict=True)
        columns = [self._column_of.get(cell) or self._column_of.get(spelled(cell)) or name for cell, name in named]
        filled = list(filter(None, columns))
        same = self._names == Counter(map(spelled, filter(None, cells)))
        same = same or self.fields == Counter(self._naming.fields(filled))
        return Table(cells, columns, self._naming) if same or (self._times and self._is_header(filled)) else None

    def _is_header(self, columns: Sequence[str]) -> bool:
        """Whether columns are those of a header: several fields, with all that are required, or a time and few others.

        A row of data that is taken for one has no time, so it would be rejected.
        """
        known = self._naming.known(columns)
        if known < 2 or len(set(columns)) < len(columns):
            return False
        has_time = bool(self._naming.time_columns(columns))
        return self._naming.is_complete(columns) or (has_time and 2 * known >= len(columns))

    def _is_name(self, cell: str) -> bool:
        return spelled(cell) in self._names

    def _is_time(self, cell: str) -> bool:
        return _DIGIT.search(cell) is not None and not (self._digits_in_names and self._is_name(cell))

    def _has_time(self, cells: Sequence[str]) -> bool:
        return any(self._is_time(cells[index]) for index in self._times if index < len(cells))


def _is_empty(cell: str) -> bool:
    return is_missing(cell) or not any(map(str.isalnum, cell))
