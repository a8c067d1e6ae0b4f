"""Read a block of lines at once, if each of them is an ordinary row of the table: the fast path."""

import csv
from collections.abc import Iterable
from operator import itemgetter

from advertisex.ingestion.csv.row_parser import RowParser
from advertisex.ingestion.csv.table import TOTALS, Table

#: The byte order mark, as a character.
BOM = "\ufeff"
_WHITE = [character for character in map(chr, range(0x3001)) if character.isspace() and character not in " \r\n"]


class PlainBlocks:
    """Reads the blocks of a table.

    Args:
        parser: parser of its rows.
        table: the table.
        encoding: encoding of the text.
    """

    def __init__(self, parser: RowParser, table: Table, encoding: str) -> None:
        self._parser, self._table, self._encoding = parser, table, encoding
        borders = ["\n", parser.delimiter, *([parser.quote] if parser.quote else [])]
        #: A text with one of these may have white space around a cell.
        self._padding = [pair for border in borders for pair in (f"{border} ", f" {border}")]
        self._padding += [white for white in _WHITE if white != parser.delimiter]
        #: A text with one of these may have a row that is not data; a row whose first cell is one of those, too.
        self._special = (BOM, table.marker)
        self._first_cells = {"", *TOTALS} if table.has_times else {""}

    def records(self, data: bytes) -> list[dict[str, str]] | None:
        """Return the records of whole lines; None if one of the lines needs a closer look."""
        text = self._text(data)
        if text is None:
            return None
        columns = self._table.columns
        rows: Iterable[Iterable[str]] = self._parser.rows(text)
        if text.startswith(" ") or text.endswith(" ") or any(padding in text for padding in self._padding):
            rows = (map(str.strip, row) for row in rows)
        try:
            records = [dict(zip(columns, row, strict=True)) for row in rows]
        except (ValueError, csv.Error):  # more or fewer cells than columns; quotes that are not strict
            return None
        if len(records) <= text.count("\n") or not self._first_cells.isdisjoint(map(itemgetter(columns[0]), records)):
            return None  # a row of several lines; one that may not be data
        return records

    def _text(self, data: bytes) -> str | None:
        """Return the lines without carriage returns; None if one of them may not be data."""
        try:
            text = data.decode(self._encoding)
        except UnicodeDecodeError:
            return None
        if not self._table.is_plain or any(special in text for special in self._special):
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.removesuffix("\n")
