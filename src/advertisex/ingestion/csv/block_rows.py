"""Read a block line by line: quoted cells with line ends, and rows that cannot be read."""

from collections.abc import Iterator
from typing import NamedTuple

from advertisex.codecs.unreadable import Unreadable
from advertisex.ingestion.csv.fast_path import BOM
from advertisex.ingestion.csv.open_rows import Lookahead
from advertisex.ingestion.csv.row_parser import MOST_CELLS, RowParser


class Row(NamedTuple):
    """A row: one line, or several.

    Attributes:
        line: index of its first line in the block.
        text: its text, without the last line end.
        body: the same as bytes of the file.
        cells: its cells, or why it cannot be read.
    """

    line: int
    text: str
    body: bytes
    cells: list[str] | Unreadable


class BlockRows:
    """The rows of a block.

    Args:
        data: whole lines.
        parser: parser of the rows.
        encoding: encoding of the text; what cannot be decoded becomes surrogates.
        width: number of columns; it can be changed between two rows.
        multiline: whether cells may hold lines that look like rows.
        ended: whether no more lines follow.

    Attributes:
        unread: the last lines, if they can only be read with those that follow.
        lines: number of lines before `unread`.
    """

    def __init__(
        self, data: bytes, parser: RowParser, encoding: str, *, width: int, multiline: bool, ended: bool
    ) -> None:
        self.unread = b""
        self._raw = data.splitlines(keepends=True)
        self.lines = len(self._raw)
        self._parser, self._encoding = parser, encoding
        self._multiline, self._ended = multiline, ended
        self._texts = [self._text(line) for line in self._raw]
        self._lookahead: Lookahead | None = None
        self._width = width

    @property
    def width(self) -> int:
        """The number of columns."""
        return self._width

    @width.setter
    def width(self, width: int) -> None:
        self._width, self._lookahead = width, None

    def __iter__(self) -> Iterator[Row]:
        line = 0
        while line < len(self._raw):
            text = self._texts[line]
            if self._parser.is_too_wide(text):
                yield Row(line, text, body := _body(self._raw[line]), _too_wide(body))
                line += 1
                continue
            cells = self._parser.cells(text)
            if cells is not None:
                yield Row(line, text, _body(self._raw[line]), cells)
                line += 1
                continue
            row = self._other(line, text)
            if row is None:
                self.leave(line)
                return
            yield row[0]
            line = row[1]

    def leave(self, line: int) -> None:
        """Leave the lines from this one on unread."""
        self.unread, self.lines = b"".join(self._raw[line:]), line

    def _other(self, line: int, text: str) -> tuple[Row, int] | None:
        """A row that is not one line, and the index of the line after it; None if its end is not in the block."""
        body = _body(self._raw[line])
        scan = self._parser.scan(text)
        if scan.fault:
            return Row(line, text, body, _text_after_quote(scan.fault, text, body, self._parser)), line + 1
        found = self._ahead().row_from(line, scan)
        if found.kind == "unknown":
            return None
        if found.kind == "row":
            raw = b"".join(self._raw[line : found.end])
            whole = self._text(raw)
            return Row(line, whole, _body(raw), self._parser.scan(whole).cells), found.end
        return Row(line, text, body, _open_quote(found.kind, text, body, self._parser)), line + 1

    def _ahead(self) -> Lookahead:
        if self._lookahead is None:
            sizes = list(map(len, self._raw))
            self._lookahead = Lookahead(
                self._parser, self._texts, sizes, width=self._width, multiline=self._multiline, ended=self._ended
            )
        return self._lookahead

    def _text(self, line: bytes) -> str:
        text = line.decode(self._encoding, "surrogateescape").removesuffix("\n").removesuffix("\r")
        return text.lstrip(BOM) if text.startswith(BOM) else text


def _body(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _too_wide(body: bytes) -> Unreadable:
    detail = f"a line of {len(body):,} bytes with more than {MOST_CELLS:,} delimiters; hint: set --delimiter"
    return Unreadable("too_many_values", detail, body)


def _text_after_quote(fault: str, line: str, body: bytes, parser: RowParser) -> Unreadable:
    """A row with text after a closing quote, or with an escape character that can be read in two ways."""
    hint = _escape_hint(line, parser) or "--quote none if quotes are text"
    return Unreadable("ambiguous_quotes", f"{fault}; hint: {hint}", body)


def _open_quote(kind: str, line: str, body: bytes, parser: RowParser) -> Unreadable:
    """A row whose line ends inside a quoted cell."""
    fault, hint = "unclosed quote", "--quote none if quotes are text"
    if parser.quote is None:
        fault, hint = "trailing escape character", "omit --escape if it is text"
    if kind == "ambiguous":
        fault += ", or a cell of several lines"
        hint = f"--multiline if it is one, {hint}"
    return Unreadable("ambiguous_quotes", f"{fault}; hint: {_escape_hint(line, parser) or hint}", body)


def _escape_hint(line: str, parser: RowParser) -> str | None:
    if parser.escape is None and parser.quote is not None and f"\\{parser.quote}" in line:
        return "--escape '\\' if a backslash precedes a quote of the text"
    return None
