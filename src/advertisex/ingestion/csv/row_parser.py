"""Split the text of a row into cells, strictly.

A quoted cell begins with the quote and ends with a quote before a delimiter or the end of the row; white space around
it is ignored. A quote inside a cell that is not quoted is plain text.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from advertisex.limits import Limit

_TEXT_AFTER_QUOTE = "text follows a closing quote"
_ESCAPE_OUTSIDE = "an escape character outside quotes could be text"
_SPACES = " \t"
MOST_CELLS = Limit(
    2**18,
    "delimiters",
    of="a line of CSV, those in quoted cells included",
    beyond="rejected by itself as `too_many_values`; before the first row, an error of the file",
)


class Scan(NamedTuple):
    """The text of a row, as far as it can be read.

    Attributes:
        cells: cells so far; the last one is not complete if the row is open.
        is_open: whether the text ends inside a cell: in quotes, or after an escape character.
        fault: why it cannot be read; empty if it can.
        stray: whether a cell that is not quoted has a quote.
    """

    cells: list[str]
    is_open: bool = False
    fault: str = ""
    stray: bool = False


class RowParser:
    """Splits rows of one dialect.

    Args:
        delimiter: character between cells.
        quote: character around cells; None if quotes are plain text.
        escape: character before a quote; None if quotes are doubled.
    """

    def __init__(self, delimiter: str, quote: str | None, escape: str | None) -> None:
        self.delimiter, self.quote, self.escape = delimiter, quote, escape
        self._special = tuple(c for c in (quote, escape) if c is not None)
        self._box: list[str] = []
        # reads one line at a time from the box: an empty box means that the line is open
        self._read: Iterator[list[str]] | None
        self._read = self._strict(iter(self._box.pop, None)) if quote is not None and escape is None else None
        self._before_quote = [(space, f"{space}{quote}") for space in _SPACES if space != delimiter]
        self._compile(delimiter, quote, escape)

    def _compile(self, delimiter: str, quote: str | None, escape: str | None) -> None:
        d, e = re.escape(delimiter), re.escape(escape or "")
        end = rf"({d}|\Z)"
        if quote is None:
            self._unquoted = re.compile(rf"((?:[^{d}{e}]++|{e}.)*+){end}" if escape else rf"([^{d}]*+){end}", re.DOTALL)
            self._unescape = re.compile(rf"{e}(\r\n|[{d}{e}\r\n])")
            return
        q, spaces = re.escape(quote), f"[{''.join(_SPACES.replace(delimiter, ''))}]*+"
        content = rf"((?:[^{q}{e}]++|{e}.)*+)" if escape else rf"([^{q}]*+(?:{q}{q}[^{q}]*+)*+)"
        self._unquoted = re.compile(rf"([^{d}]*+){end}")
        self._opening = re.compile(rf"{spaces}{q}{content}", re.DOTALL)
        self._rest = re.compile(content, re.DOTALL)
        self._closing = re.compile(rf"{q}{spaces}{end}")
        self._unescape = re.compile(rf"{e}(\r\n|[{d}{q}{e}\r\n])")
        self._escape_outside = re.compile(rf"{e}(?:[{q}{e}]|\Z)")

    def is_too_wide(self, line: str) -> bool:
        """Whether a line has so many cells that they would not fit in memory."""
        return len(line) > MOST_CELLS and line.count(self.delimiter) > MOST_CELLS

    def _strict(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, doublequote=True, strict=True)

    def rows(self, text: str) -> Iterator[list[str]]:
        """Yield the cells of each line; fewer rows than lines if a row may have several.

        Raises:
            csv.Error: a line is not a row by itself.
        """
        lines = text.split("\n")
        if not any(special in text for special in self._special):
            return (line.split(self.delimiter) for line in lines)
        if self._read is not None and not self._has_space_before_quote(text):
            return self._strict(lines)
        return (cells for cells in map(self.cells, lines) if cells is not None)

    def cells(self, line: str) -> list[str] | None:
        """Return the cells of a line without its line end; None if it is not a row by itself."""
        if not any(special in line for special in self._special):
            return line.split(self.delimiter)
        if self._read is not None and not self._has_space_before_quote(line):
            self._box.append(line)
            try:
                return next(self._read)
            except (csv.Error, IndexError):  # text after a quote, or a large cell; an open quote
                self._box.clear()
        scan = self.scan(line)
        return None if scan.is_open or scan.fault else scan.cells

    def _has_space_before_quote(self, text: str) -> bool:
        return any(
            space in text and pair in text for space, pair in self._before_quote
        )  # one character is found faster

    def scan(self, text: str, *, inside: bool = False) -> Scan:
        """Read text as far as possible.

        Args:
            text: text of a row, without its last line end.
            inside: whether it continues an open cell; the first cell is the rest of that cell.
        """
        cells: list[str] = []
        position, stray, more = 0, False, True
        while more:
            opened = None
            if self.quote is not None:
                opened = self._rest.match(text) if inside else self._opening.match(text, position)
            inside = False
            if opened is None:
                found = self._unquoted.match(text, position)
                if found is None:  # an escape character at the end
                    return Scan([*cells, text[position:]], is_open=True, stray=stray)
                cell = found[1]
                if self.quote is None:
                    cell = self._unescaped(cell)
                else:
                    stray = stray or self.quote in cell
                    if self.escape is not None and self._escape_outside.search(cell):
                        return Scan(cells, fault=_ESCAPE_OUTSIDE)
            else:
                found = self._closing.match(text, opened.end())
                if found is None:
                    closed = text.startswith(self.quote or "", opened.end()) and opened.end() < len(text)
                    if closed:
                        return Scan(cells, fault=_TEXT_AFTER_QUOTE)
                    return Scan([*cells, opened[1]], is_open=True, stray=stray)
                cell = self._unescaped(opened[1])
            cells.append(cell)
            position, more = found.end(), bool(found[found.re.groups])
        return Scan(cells, stray=stray)

    def _unescaped(self, content: str) -> str:
        if self.escape is not None:
            return self._unescape.sub(r"\1", content)
        return content.replace(2 * self.quote, self.quote) if self.quote else content
