"""A table: its columns, and which of its rows are not data."""

from collections.abc import Sequence

from advertisex.ingestion.naming import Naming

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


class Table:
    """The columns of a table, from one header to the next.

    Args:
        header: cells of the header, trimmed.
        columns: column of each cell.
        naming: how other headers map to columns.
    """

    def __init__(self, header: Sequence[str], columns: Sequence[str], naming: Naming) -> None:
        self.header, self.columns, self.width = list(header), list(columns), len(columns)
        self._naming = naming
        self._times = naming.time_columns(columns)
        self._has_unnamed = (
            columns.count("") > 1
        )  # a single one is an ordinary column: pandas writes its index like this
        self._sorted = {tuple(sorted(filter(None, names))) for names in (header, columns)}
        #: A cell of every header of the table: the time, which users cannot write.
        self.marker = self.header[self._times[0]] if self._times else max(self.header, key=len)
        self.has_times = bool(self._times)
        #: Whether a row of `width` cells has the value of each column.
        self.is_plain = not self._has_unnamed

    def record(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the cells by column. A shorter row lacks the last columns."""
        pairs = zip(self.columns, cells, strict=False)
        return {name: cell for name, cell in pairs if name or cell} if self._has_unnamed else dict(pairs)

    def surplus(self, cells: Sequence[str]) -> str | None:
        """Return what is wrong with a row that has more values than the table has columns for; None if it has not."""
        filled = len(cells)
        while filled > self.width and not cells[filled - 1]:
            filled -= 1
        if filled > self.width:
            return f"{filled} cells, but the header has {self.width} columns"
        if self._has_unnamed:
            unnamed = sum(1 for name, cell in zip(self.columns, cells, strict=False) if cell and not name)
            if unnamed > 1:
                return f"{unnamed} cells are in columns without a name"
        return None

    def kind(self, cells: Sequence[str]) -> str | None:
        """Return what a row is that is not data; None if it is data.

        The first cell of a total row says so, and it has no time.
        """
        first = next(filter(None, cells), "")
        if not first:
            return "blank"
        is_total = self.has_times and first in TOTALS and not self._has_time(cells)
        return "total row" if is_total else None

    def repeated(self, cells: Sequence[str]) -> "Table | None":
        """Return the table that a row begins if it is a header; None if it is not.

        It has the names of this header in any order, or it names the time and another field where no time is.
        """
        if self.width < 2 or self.marker not in cells:
            return None
        names = [cell for cell in cells if cell]
        columns = self._naming.columns(cells)
        if tuple(sorted(names)) in self._sorted:
            known = dict(zip(self.header, self.columns, strict=True))
            return Table(cells, [known.get(cell, cell) for cell in cells], self._naming)
        changed = self.has_times and not self._has_time(cells) and len(set(names)) == len(names)
        if changed and self._naming.known(columns) >= 2 and self._naming.is_complete(columns):
            return Table(cells, columns, self._naming)
        return None

    def _has_time(self, cells: Sequence[str]) -> bool:
        return any(any(map(str.isdigit, cells[index])) for index in self._times if index < len(cells))
