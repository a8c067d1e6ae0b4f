"""Read a block of lines at once, if each of them is an ordinary row of the table: the fast path."""

from advertisex.ingestion.csv.rows import RowParser
from advertisex.ingestion.csv.table import TOTAL_STEMS, Table

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
        delimiter = parser.delimiter
        #: A text with one of these has white space around a cell, or may have it.
        self._padding = (f" {delimiter}", f"{delimiter} ", "\n ", " \n", *(w for w in _WHITE if w != delimiter))
        #: A text with one of these may have a row that is not data; the stems are in lower case.
        self._special = (BOM, table.marker)
        self._stems = TOTAL_STEMS if table.has_times else ()

    def records(self, data: bytes) -> list[dict[str, str]] | None:
        """Return the records of whole lines; None if one of the lines needs a closer look."""
        text = self._text(data)
        if text is None:
            return None
        lines, columns, delimiter = text.split("\n"), self._table.columns, self._parser.delimiter
        padded = text.startswith(" ") or text.endswith(" ") or any(padding in text for padding in self._padding)
        if not padded and self._parser.is_plain(text):
            between = {line.count(delimiter) for line in lines}
            if between != {self._table.width - 1} or delimiter * (self._table.width - 1) in lines:
                return None
            return [dict(zip(columns, line.split(delimiter))) for line in lines]  # noqa: B905 - compared, and faster
        rows = list(map(self._parser.cells, lines))
        if {row and len(row) for row in rows} != {self._table.width}:
            return None
        trimmed = [list(map(str.strip, row or ())) for row in rows]
        return [dict(zip(columns, row, strict=True)) for row in trimmed] if all(map(any, trimmed)) else None

    def _text(self, data: bytes) -> str | None:
        """Return the lines without carriage returns; None if one of them may not be data."""
        try:
            text = data.decode(self._encoding)
        except UnicodeDecodeError:
            return None
        lower = text.lower() if self._stems else ""
        special = any(special in text for special in self._special) or any(stem in lower for stem in self._stems)
        if special or not self._table.is_plain:
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.removesuffix("\n")
