"""Read lines at once, if each of them is an ordinary row of the table: the fast path."""

import csv
from itertools import repeat

from advertisex.ingestion.csv.row_parser import RowParser
from advertisex.ingestion.csv.table import Table

#: The byte order mark, as a character.
BOM = "\ufeff"
_WHITE = [character for character in map(chr, range(0x3001)) if character.isspace() and character not in "\r\n"]


class PlainLines:
    """Reads lines of a table.

    Args:
        parser: parser of its rows.
        table: the table.
        encoding: encoding of the text.
    """

    def __init__(self, parser: RowParser, table: Table, encoding: str) -> None:
        self._parser, self._table, self._encoding = parser, table, encoding
        #: A text without these has no white space around a cell.
        self._white = [white for white in _WHITE if white != parser.delimiter]
        if parser.delimiter in _WHITE:  # in quotes, or after an escape character, a tab is white space as well
            self._white += filter(None, (parser.quote, parser.escape))

    def records(self, data: bytes) -> list[dict[str, str]] | None:
        """Return the records of whole lines; None if one of the lines needs a closer look."""
        text = self._text(data)
        if text is None or self._parser.is_too_wide(text):
            return None
        try:
            rows = list(self._parser.rows(text))
        except csv.Error:  # quotes that are not strict
            return None
        table = self._table
        if len(rows) <= text.count("\n") or max(map(len, rows)) > table.width:
            return None  # a row of several lines; one with more cells than columns
        if any(white in text for white in self._white):
            rows = [list(map(str.strip, row)) for row in rows]
        if any(table.kind(row) or table.repeated(row) for row in table.suspects(rows)):
            return None
        return list(map(dict, map(zip, repeat(table.columns), rows)))  # in C; shorter rows lack the last columns

    def _text(self, data: bytes) -> str | None:
        """Return the lines without carriage returns; None if one of them may not be data."""
        try:
            text = data.decode(self._encoding)
        except UnicodeDecodeError:
            return None
        if self._table.has_unnamed or BOM in text:
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.removesuffix("\n")
