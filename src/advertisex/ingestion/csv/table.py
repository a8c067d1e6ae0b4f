"""A table: its columns, and which of its rows are not data."""

import re
from collections import Counter
from collections.abc import Sequence

from advertisex.errors import SourceError
from advertisex.feeds.words import is_missing
from advertisex.ingestion.naming import Naming, spelled
from advertisex.limits import Limit

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
#: A time, or an id: a text that begins with a digit, or the name of a day or a month, or a word with a digit.
_VALUE = re.compile(
    r"\W*\d|(mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\W.*\d|\S*\d\S*\Z",
    re.IGNORECASE | re.DOTALL,
)
#: In a narrower table, a row with one cell may be data.
_FOOTER_WIDTH = 3
MOST_COLUMNS = Limit(2**17, "columns", of="a table in CSV, Excel or Parquet", beyond="an error of the file")
#: A longer text is not a line of a footer.
_FOOTER_CHARACTERS = 1000
#: Not in a text that is meant for people; NULs are what a crash leaves at the end of a file.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


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
        self._names_begin_with_digits = any(map(_DIGIT.match, header))

    @property
    def header_names(self) -> set[str]:
        """Names that a header can have: its own, and those of the fields."""
        return {*filter(None, self.header), *self._naming.names}

    def record(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the cells by column. A shorter row lacks the last columns."""
        pairs = zip(self.columns, cells, strict=False)
        return {name: cell for name, cell in pairs if name or cell} if self.has_unnamed else dict(pairs)

    def surplus(self, cells: Sequence[str]) -> tuple[int, str]:
        """Return the number of empty cells after the last column, and what is wrong with a row that has too many cells.

        Empty cells after the last column are allowed if every row so far has the same number of them: otherwise, a
        delimiter that is not quoted can have moved the cells of a row whose last ones are empty.
        """
        surplus, fault = max(len(cells) - self.width, 0), ""
        if surplus and (any(cells[self.width :]) or self.trailing not in (None, surplus)):
            filled = max(number for number, cell in enumerate(cells, 1) if cell)
            found = filled if filled > self.width else len(cells)
            fault = f"{found} cells, but the header has {self.width} columns"
        elif self.has_unnamed:
            unnamed = sum(1 for name, cell in zip(self.columns, cells, strict=False) if cell and not name)
            fault = f"{unnamed} cells are in columns without a name" if unnamed > 1 else ""
        return surplus, fault

    def suspects(self, rows: Sequence[list[str]]) -> list[list[str]]:
        """Return the rows that may not be data.

        Their time does not begin with a digit; in a table without times, their first cell is empty or a name.
        """
        if self._times:
            index = self._times[0]
            if self._names_begin_with_digits:
                return list(rows)
            return [row for row in rows if len(row) <= index or not "0" <= row[index] < ":"]
        firsts = {first for first in {"".join(row[:1]) for row in rows} if not first or self._is_name(first)}
        return [row for row in rows if "".join(row[:1]) in firsts] if firsts else []

    def kind(self, cells: Sequence[str]) -> str | None:
        """Return what a row is that is not data; None if it is data.

        The first cell of a total row says so, and it has neither a time nor another value of a required field. A row
        is a footer only if the table ends with it.
        """
        first = next(filter(None, cells), "")
        if not first:
            return "blank"
        if self._times and first in TOTALS and not self._has_time(cells) and self._lacks_required(cells):
            return "total row"
        return "footer" if self._may_be_footer(cells, first) else None

    def _may_be_footer(self, cells: Sequence[str], text: str) -> bool:
        """Whether a row has one text only, which cannot be a whole event, a time or an id."""
        if (
            not self._times
            or self.width < _FOOTER_WIDTH
            or len(text) > _FOOTER_CHARACTERS
            or _VALUE.match(text)
            or _CONTROL.search(text)
        ):
            return False
        index = cells.index(text)
        is_alone = index < self.width and not any(cells[index + 1 :])
        return is_alone and not self._naming.is_complete([self.columns[index]])

    def _lacks_required(self, cells: Sequence[str]) -> bool:
        values = (cells[index] for index in self._required if index < len(cells))
        return all(cell in TOTALS or is_missing(cell) or not any(map(str.isalnum, cell)) for cell in values)

    def repeated(self, cells: Sequence[str]) -> "Table | None":
        """Return the table that a row begins if it is a header; None if it is not.

        It names the columns or the fields of this table, in any spelling and order, or others where no time is.
        """
        if (
            self.width < 2
            or len(cells) > MOST_COLUMNS
            or self._has_time(cells)
            or (not self._times and not self._is_name(cells[0]))
        ):
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


def too_many_columns(count: int, where: str) -> SourceError:
    """The error of a file whose header exceeds `MOST_COLUMNS`."""
    return SourceError(
        f"the header has {count:,} columns, more than {MOST_COLUMNS:,}",
        where=where,
        hint="check the delimiter, or leave out columns that are not needed",
    )
