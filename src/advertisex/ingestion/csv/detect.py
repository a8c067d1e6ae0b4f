"""Find the header, the delimiter and the quote of a CSV file in its first lines."""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from advertisex.errors import SourceError
from advertisex.ingestion.csv.row_parser import MOST_CELLS, RowParser
from advertisex.ingestion.csv.table import MOST_COLUMNS, too_many_columns
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.encodings import UNDECODED
from advertisex.ingestion.naming import Naming
from advertisex.limits import Limit

DELIMITERS = ",;\t|"
QUOTES = "\"'"
#: The header is one of so many lines.
HEADER_LINES = Limit(100, "lines", of="the header of a CSV file and what precedes it", beyond="an error of the file")
_SEP = re.compile(r'"?sep=(?P<delimiter>.)"?[,;\t|]*\s*', re.IGNORECASE)
#: A number, a date or a time, which no column is called.
_NUMBER = re.compile(r"[0-9][0-9 .,:/TZ+-]*")
#: A date or a time of three parts, such as 5 Jan 2026 and 09:00:00, or one without separators, such as an epoch.
_TIME = re.compile(r"\d+[-./: ]+[^\W_]+[-./: ]+\d+|[a-z]+ +\d+[, ]+\d+|\d{8,}", re.IGNORECASE)


class Layout(NamedTuple):
    """What the first lines of a file show.

    Attributes:
        parser: parser of its rows.
        header: cells of the header, trimmed; the given columns if it has none.
        columns: column of each cell.
        line: index of the header; None if it has none.
        first: index of the first line after the header.
        has_sep: whether the first line names the delimiter, as Excel writes it.
    """

    parser: RowParser
    header: list[str]
    columns: list[str]
    line: int | None
    first: int
    has_sep: bool


class _Row(NamedTuple):
    """A row that may be the header.

    Attributes:
        rank: how good it is: the number of known columns, then the number of cells.
    """

    rank: tuple[int, int]
    parser: RowParser
    header: list[str]
    columns: list[str]
    line: int
    first: int


class Detection:
    """Searches the first lines of a file.

    Args:
        dialect: what the user says about the file.
        columns: its columns, if it has no header.
        naming: how a header maps to columns.
        name: name of the file, for errors.
        line: lines before the first one.
    """

    def __init__(self, dialect: CsvDialect, columns: Sequence[str], naming: Naming, name: str, line: int) -> None:
        self._dialect, self._columns, self._naming = dialect, columns, naming
        self._name, self._line = name, line

    def layout(self, lines: Sequence[str], *, ended: bool) -> Layout | None:
        """Return the layout; None if it cannot be known yet, or all lines are blank.

        Args:
            lines: the first lines, without their line ends.
            ended: whether the search ends with these lines.

        Raises:
            SourceError: none of the lines is a header.
        """
        narrow = list(takewhile(self._is_narrow, lines))
        if lines and not narrow:
            raise SourceError(
                f"a line before the first row has more than {MOST_CELLS:,} cells",
                where=f"{self._name}:{self._line + 1}",
                hint="set --delimiter, or the format with --format if this is not CSV",
            )
        return self._layout(narrow, ended=ended or len(narrow) < len(lines))

    def _layout(self, lines: Sequence[str], *, ended: bool) -> Layout | None:
        sep = _SEP.fullmatch(lines[0]) if lines and self._dialect.skip is None else None
        start = 1 if sep else 0
        delimiters = self._dialect.delimiter or (sep["delimiter"] if sep else DELIMITERS)
        filled = [index for index in range(start, len(lines)) if lines[index].strip()]
        if not filled:
            return None
        if self._columns:
            parser = self._for_columns(lines[filled[0]], delimiters)
            return Layout(parser, list(self._columns), list(self._columns), None, start, bool(sep))
        best: _Row | None = None
        for index in filled[:1] if self._dialect.skip is not None else filled:
            rows = list(self._rows(lines, index, delimiters))
            row = max(rows, key=lambda row: row.rank, default=None)
            if row is not None and self._is_certain(row):
                best = row
                break
            if row is not None and row.rank[0] and (best is None or row.rank[0] > best.rank[0]):
                best = row
        else:
            if not ended and (self._dialect.skip is None or not rows):
                return None
        if best is None or not self._is_header(best, lines, filled):
            raise self._no_header(lines, filled[0], delimiters)
        if UNDECODED.search("".join(best.header)):
            raise self._unreadable(best.line)
        for index in filled:
            if index < best.line and self._is_row(lines[index], best):
                raise self._row_before(index, best.line)
        return Layout(best.parser, best.header, best.columns, best.line, best.first, bool(sep))

    def _is_narrow(self, line: str) -> bool:
        delimiters = self._dialect.delimiter or DELIMITERS
        return len(line) <= MOST_CELLS or max(map(line.count, delimiters)) <= MOST_CELLS

    def _for_columns(self, line: str, delimiters: str) -> RowParser:
        """The parser that splits the first row into as many cells as there are columns, else into the most cells."""
        parsers = [parser for parser in self._parsers(line, delimiters) if parser.cells(line)]
        if not parsers:
            return self._parser(delimiters[0], QUOTES[0])
        width = len(self._columns)
        return max(parsers, key=lambda parser: (len(cells := parser.cells(line) or []) == width, len(cells)))

    def _parser(self, delimiter: str, quote: str) -> RowParser:
        quote = self._dialect.quote or quote
        return RowParser(delimiter, None if quote == "none" else quote, self._dialect.escape)

    def _parsers(self, line: str, delimiters: str) -> Iterator[RowParser]:
        quotes = QUOTES if self._dialect.quote is None and QUOTES[1] in line else QUOTES[0]
        for delimiter in [d for d in delimiters if d in line] or delimiters[0]:
            for quote in quotes:
                yield self._parser(delimiter, quote)

    def _rows(self, lines: Sequence[str], index: int, delimiters: str) -> Iterator[_Row]:
        """The row that begins in a line, in each dialect in which it can be read."""
        for parser in self._parsers(lines[index], delimiters):
            first, text = index + 1, lines[index]
            cells = parser.cells(text)
            while cells is None and first < len(lines) and parser.scan(text).is_open:
                text += "\n" + lines[first]
                first += 1
                scan = parser.scan(text)
                cells = None if scan.is_open or scan.fault else scan.cells
            if cells is not None:
                header = [cell.strip() for cell in cells]
                columns = self._naming.columns(header)
                yield _Row((self._naming.known(columns), len(cells)), parser, header, columns, index, first)

    def _is_certain(self, row: _Row) -> bool:
        """Whether a row is the header, whatever follows. A line of a preamble, such as `Campaign,Spring`, is not."""
        known = row.rank[0]
        return self._naming.is_complete(row.columns) or 1 < known >= sum(map(bool, row.header)) / 2

    def _is_header(self, row: _Row, lines: Sequence[str], filled: Sequence[int]) -> bool:
        """Whether a row and what precedes it are not rows of a table: its values can be spelled like columns."""
        if self._naming.is_complete(row.columns):
            return True
        certain = self._is_certain(row)
        if not certain and not self._naming.is_mapped(row.columns) and any(map(_NUMBER.fullmatch, row.header)):
            return False
        limit = sum(map(bool, row.header)) if certain else 2
        before = (lines[index].split(row.parser.delimiter) for index in filled if index < row.line)
        return all(sum(map(bool, map(str.strip, cells))) < limit for cells in before)

    def _is_row(self, line: str, header: _Row) -> bool:
        """Whether a line looks like a row: it has a time, and as many cells as columns, or as many values as required.

        A label and a value, such as `Date range,2026-01-05`, do not, unless the line has a cell for each column.
        """
        cells = [cell.strip() for cell in header.parser.cells(line) or line.split(header.parser.delimiter)]
        times, filled, width = self._naming.time_columns(header.columns), sum(map(bool, cells)), _width(header.header)
        if not times:
            return 1 < width <= filled
        if _width(cells) == width and any(map(_TIME.match, cells)):
            return True
        has_time = times[0] < len(cells) and _TIME.match(cells[times[0]]) is not None
        return has_time and filled >= self._naming.required and (filled > 2 or len(cells) >= width)

    def _no_header(self, lines: Sequence[str], index: int, delimiters: str) -> SourceError:
        rows = list(self._rows(lines, index, delimiters))
        if not rows or UNDECODED.search(lines[index]):
            return self._unreadable(index)
        cells, where = max(row.rank[1] for row in rows), f"{self._name}:{self._line + index + 1}"
        if cells > MOST_COLUMNS:
            return too_many_columns(cells, where)
        return SourceError(
            f"none of the {cells:,} columns in the header is a field",  # not shown: it may be a data row
            where=where,
            hint="name the columns with --columns, or map them with --map",
        )

    def _row_before(self, index: int, header: int) -> SourceError:
        header += self._line
        return SourceError(
            f"this line looks like a row, but the header is in line {header + 1}",
            where=f"{self._name}:{self._line + index + 1}",
            hint=f"name the columns with --columns if it is a row, else use --skip {header}",
        )

    def _unreadable(self, index: int) -> SourceError:
        return SourceError(
            "could not read the header",
            where=f"{self._name}:{self._line + index + 1}",
            hint="encode it as UTF-8, or name its encoding with --encoding, or the columns with --columns",
        )


def _width(cells: Sequence[str]) -> int:
    """The number of cells up to the last one that is not empty."""
    return max((number for number, cell in enumerate(cells, 1) if cell), default=0)
