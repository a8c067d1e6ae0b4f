"""Find the header of a file that was joined to another one without a line end: it follows the last cell of a row."""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

from advertisex.codecs.unreadable import Unreadable
from advertisex.ingestion.csv.block_rows import BlockRows, Row
from advertisex.ingestion.csv.fast_path import BOM
from advertisex.ingestion.csv.row_parser import RowParser
from advertisex.ingestion.csv.table import Table

#: Places in a row that are tried: a bound for rows that repeat a name.
_PLACES = 20


class JoinedFiles:
    """Separates the rows of a table from headers in the same line.

    Args:
        parser: parser of the rows.
        table: the table.
        encoding: encoding of the text.
        multiline: whether cells may hold lines that look like rows.
    """

    def __init__(self, parser: RowParser, table: Table, encoding: str, *, multiline: bool) -> None:
        self._parser, self._table, self._encoding, self._multiline = parser, table, encoding, multiline

    def separated(self, row: Row) -> Iterator[Row]:
        """Yield a row, or the row and the header that follows it in its last line."""
        suspect = isinstance(row.cells, Unreadable) or len(row.cells) > self._table.width
        suspect = suspect and not self._parser.is_too_wide(row.text)
        start = self._header(row.text) if suspect else None
        if start is None:
            yield row
            return
        before, header = row.text[:start].rstrip(BOM), row.text[start:]
        own = BlockRows(
            before.encode(self._encoding, "surrogateescape"),
            self._parser,
            self._encoding,
            width=self._table.width,
            multiline=self._multiline,
            ended=True,
        )
        for part in own:
            yield part._replace(line=row.line + part.line)
        yield Row(row.line, header, row.body, self._parser.cells(header) or [])

    def _header(self, text: str) -> int | None:
        """Return where in a row a header begins."""
        for found in islice(self._names.finditer(text, 1), _PLACES):
            for start in sorted({found.start(), found.start(1)}):  # a quote can belong to the cell before the name
                cells = self._parser.cells(text[start:])
                if cells and self._table.repeated([cell.strip() for cell in cells]):
                    return start
        return None

    @cached_property
    def _names(self) -> re.Pattern[str]:
        """A name that a header can begin with, and that fills the rest of its cell."""
        names = sorted(self._table.header_names, key=len, reverse=True)
        any_name = "|".join(re.sub("_", r"[\\s_-]+", re.escape(name)) for name in names)
        quote = f"{re.escape(self._parser.quote)}?" if self._parser.quote else ""
        return re.compile(rf"{quote}({any_name})\s*{quote}\s*{re.escape(self._parser.delimiter)}", re.IGNORECASE)
