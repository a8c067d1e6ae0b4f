"""Read whole lines of a table: ordinary lines in pieces at once, and only the pieces with other lines one by one."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.ingestion.csv.block_rows import BlockRows, Row
from advertisex.ingestion.csv.fast_path import PlainLines
from advertisex.ingestion.csv.joined_files import JoinedFiles
from advertisex.ingestion.csv.row_parser import RowParser
from advertisex.ingestion.csv.table import Table
from advertisex.ingestion.encodings import UNDECODED
from advertisex.ingestion.likely_encoding import could_be, first_undecodable, likely_encoding
from advertisex.ingestion.records import Reading, Record
from advertisex.limits import Limit

FOOTER_LINES = Limit(100, "lines", of="the footer of a table", beyond="the earlier ones are rejected like other rows")
#: Size of a piece in bytes: one line that is not ordinary makes the others of its piece slow.
PIECE_BYTES = 2**13
#: The kinds of rows that a footer has. It begins with the first of them.
_OF_FOOTERS = ("footer", "blank", "total row")


class Part(NamedTuple):
    """What whole lines contain.

    Attributes:
        records: the records.
        lines: line of each record, from 1.
        line: lines of the input that have been read.
        unread: the last lines, if they can only be read with those that follow.
    """

    records: list[Record]
    lines: list[int]
    line: int = 0
    unread: bytes = b""


class _Held(NamedTuple):
    """A row whose kind is known: if it is not data, or may be a line of a footer.

    Attributes:
        line: line of the input, from 1.
        kind: what it is; empty if it is data.
        record: its record, if it is data or may be.
    """

    line: int
    kind: str
    record: Record | None


class TableRows:
    """Reads the rows of a table, and of those that repeated headers begin.

    Args:
        parser: parser of the rows.
        table: the table.
        encoding: encoding of the text.
        reading: where rows that are not records are counted.
        likely: the encoding that damaged rows probably have, empty if none is likely; None if it was not needed yet.
        multiline: whether cells may hold lines that look like rows.

    Attributes:
        table: the table at present.
        likely: as above.
    """

    def __init__(
        self,
        parser: RowParser,
        table: Table,
        encoding: str,
        reading: Reading,
        likely: str | None,
        *,
        multiline: bool,
    ) -> None:
        self.likely = likely
        self._parser, self._encoding, self._reading, self._multiline = parser, encoding, reading, multiline
        self._begin(table)

    def _begin(self, table: Table) -> None:
        self.table = table
        self._plain = PlainLines(self._parser, table, self._encoding)
        self._joined = JoinedFiles(self._parser, table, self._encoding, multiline=self._multiline)

    def read(self, data: bytes, line: int, *, ended: bool) -> Part:
        """Read whole lines.

        Args:
            data: the lines.
            line: lines of the input before them.
            ended: whether no more lines follow.
        """
        part = Part([], [])
        start, size, self._line = 0, PIECE_BYTES, line
        while start < len(data):
            end = data.find(b"\n", start + size) + 1 or len(data)
            unread = self._piece(data[start:end], part, ended=ended and end == len(data))
            if unread and end == len(data):
                return part._replace(line=self._line, unread=unread)
            # what continues after its piece is looked for in all of the data
            start, size = end - len(unread), len(data) if unread else PIECE_BYTES
        return part._replace(line=self._line)

    def _piece(self, data: bytes, part: Part, *, ended: bool) -> bytes:
        """Read a piece; return the last lines if they can only be read with those that follow."""
        plain = self._plain.records(data)
        if plain is not None:
            self._end_with(0)
            part.records.extend(plain)
            part.lines.extend(range(self._line + 1, self._line + 1 + len(plain)))
            self._line += len(plain)
            self._reading.rows += len(plain)
            return b""
        rows = BlockRows(
            data, self._parser, self._encoding, width=self.table.width, multiline=self._multiline, ended=ended
        )
        held = deque[_Held]()
        for row in (each for whole in rows for each in self._joined.separated(whole)):
            kind, record = self._found(row)
            one = _Held(self._line + row.line + 1, kind, record)
            if kind in _OF_FOOTERS:
                self._hold(one, held, part)
                continue
            self._release(held, part, footer=kind == "repeated header")
            held.clear()
            self._release([one], part)
            if rows.width != self.table.width:
                rows.width = self.table.width
        if ended:
            self._release(held, part, footer=True)
        elif held:
            rows.leave(held[0].line - self._line - 1)
        self._line += rows.lines
        return rows.unread

    def _hold(self, row: _Held, held: deque[_Held], part: Part) -> None:
        """Hold a row that may belong to a footer.

        What is held depends on the last rows only, so a reader that begins at any of them finds the same footer.
        """
        held.append(row)
        while held and (len(held) > FOOTER_LINES or held[0].kind != "footer"):
            self._release([held.popleft()], part)

    def _release(self, rows: Iterable[_Held], part: Part, *, footer: bool = False) -> None:
        """Count rows, and keep their records, unless they are a footer."""
        for line, kind, record in rows:
            self._reading.rows += 1
            if record is None or footer:
                self._reading.skipped[kind] += 1
            else:
                part.records.append(record)
                part.lines.append(line)

    def _found(self, row: Row) -> tuple[str, Record | None]:
        """Return what a row is, empty if it is data, and its record; a header begins a table."""
        if not row.text.isascii() and UNDECODED.search(row.text):
            return "", wrap(self._wrong_encoding(row.body))
        if isinstance(row.cells, Unreadable):
            return "", wrap(row.cells)
        cells = list(map(str.strip, row.cells))
        if (repeated := self.table.repeated(cells)) is not None:
            if repeated.fields != self.table.fields:
                self._reading.warnings["the columns change at a repeated header"] += 1
            self._begin(repeated)
            return "repeated header", None
        if kind := self.table.kind(cells):
            return kind, self.table.record(cells) if kind == "footer" else None
        trailing, fault = self.table.surplus(cells)
        if fault:
            detail = f"{fault}; hint: quote values that contain the delimiter"
            return "", wrap(Unreadable("surplus_cells", detail, row.body))
        self._end_with(trailing)
        return "", self.table.record(cells)

    def _end_with(self, trailing: int) -> None:
        """Note how many empty cells follow the last column in the rows that were read."""
        if self.table.trailing and not trailing:
            self._reading.warnings["the first rows have empty cells after the last column, others do not"] += 1
        self.table.trailing = trailing

    def _wrong_encoding(self, body: bytes) -> Unreadable:
        given = self._reading.detected.get("encoding", self._encoding)
        if given != self._encoding:  # converted, and so known from its first bytes
            return Unreadable("wrong_encoding", f"damaged text in {given}; hint: get the file again", body)
        if self.likely is None:
            found = likely_encoding(body)
            self.likely = found if found and found != self._encoding else ""
        if self.likely and could_be(body, self.likely):
            detail = f"not text in {self._encoding}; hint: use --encoding {self.likely} if that is its encoding"
        else:
            place = _place_in(body, self._encoding)
            detail = (
                f"not text in {self._encoding}, nor probably in another usual encoding{place}; "
                "hint: get the file again, or name its encoding with --encoding"
            )
        return Unreadable("wrong_encoding", detail, body)


def _place_in(body: bytes, encoding: str) -> str:
    """The first byte of a row that is not text in its encoding."""
    place = first_undecodable(body, encoding)
    return f": byte {place + 1:,} of the row is 0x{body[place]:02X}" if place < len(body) else ""
