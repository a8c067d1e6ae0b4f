"""Read the rows of a CSV file as dicts of text. What cannot be read strictly costs its row, and no other."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.csv.block_rows import BlockRows, Row
from advertisex.ingestion.csv.detect import HEADER_LINES, UNDECODED, Detection, Layout
from advertisex.ingestion.csv.fast_path import BOM, PlainBlocks
from advertisex.ingestion.csv.hints import surplus_cells, wrong_encoding
from advertisex.ingestion.csv.line_blocks import BLOCK_BYTES, Block, Blocks
from advertisex.ingestion.csv.row_parser import RowParser
from advertisex.ingestion.csv.table import Table
from advertisex.ingestion.encodings import as_utf8, keeps_ascii, likely_encoding, text_encoding
from advertisex.ingestion.naming import Naming, check_unique
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import MESSAGE_BYTES, PAUSE, Chunk, Reader, Reading, Record, Resume
from advertisex.ingestion.stream import Stream

_NAMES = {
    ",": "comma",
    ";": "semicolon",
    "\t": "tab",
    "|": "bar",
    " ": "space",
    ".": "point",
    "'": "apostrophe",
    "\\": "backslash",
}


class CsvReader(Reader):
    """Reads one input. See `Reader`.

    Args:
        stream: the input, at its first byte, or at the position of `resume`.
        feed: feed of its rows.
        options: how to read it.
        resume: where an earlier reader of the same input ended.
        final: whether the input is complete. If not, a last row that may still grow is not read.
    """

    def __init__(
        self, stream: Stream, feed: Feed, options: IngestOptions, resume: Resume | None = None, final: bool = True
    ) -> None:
        self.reading = Reading("csv")
        self._stream, self._dialect, self._given, self._final = stream, options.dialect, options.columns, final
        self._naming = Naming(feed, options.mapping)
        self._position, self._line = (resume.position, resume.lines) if resume else (0, 0)
        #: What the next reader has to know; replaced, never changed, since chunks refer to it.
        self._known: dict[str, Any] = resume.known if resume else {"skip": options.dialect.skip or 0}
        self._too_long: list[int] = []
        self._parser: RowParser
        self._table: Table | None = None
        self._plain: PlainBlocks

    def chunks(self) -> Iterator[Chunk]:
        blocks = Blocks(self._as_ascii(), self._position, final=self._final)
        if "columns" in self._known:
            self._parser = RowParser(*self._known["dialect"])
            self._set_table(Table(self._known["header"], self._known["columns"], self._naming), self._known["trailing"])
            self.reading.detected |= self._known["detected"]
        while block := blocks.next():
            records: list[Record] = []
            lines: Sequence[int] = ()
            rest = block.data
            if not block.data:
                self._line += 1
                self._too_long.append(self._line)
                self._skipped("too long")
            if self._table is None:
                rest = self._begin(block)
            if self._table is not None and rest:
                records, lines, rest = self._read(rest, self._table, ended=block.is_last)
                if self._table.trailing != self._known["trailing"]:
                    self._know(trailing=self._table.trailing)
            if rest:
                blocks.put_back(rest)
            if len(rest) < len(block.data) or not block.data:
                yield Chunk(records, lines, self._resume(block.end - len(rest)))
            if blocks.is_idle():
                yield PAUSE
        self._raise_failure(blocks.failure)

    def _raise_failure(self, failure: SourceError | None) -> None:
        if failure is not None:
            raise failure
        if self._too_long:
            raise SourceError(
                f"{len(self._too_long)} line(s) longer than {MESSAGE_BYTES >> 20} MiB could not be read",
                where=f"{self._stream.name}:{self._too_long[0]}",
                hint="if this is not CSV, set the format with --format",
            )

    def _as_ascii(self) -> Stream:
        """The stream, in an encoding that keeps ASCII."""
        name = self._known.get("encoding") or text_encoding(self._stream, self._dialect.encoding)
        self._know(encoding=name)
        self.reading.detected["encoding"] = name
        self._is_recoded = not keeps_ascii(name)
        self._encoding = "utf-8" if self._is_recoded else name
        return as_utf8(self._stream, name) if self._is_recoded else self._stream

    def _resume(self, position: int) -> Resume | None:
        return None if self._is_recoded else Resume(position, self._line, self._known)

    def _know(self, **facts: Any) -> None:
        self._known = self._known | facts

    def _skipped(self, kind: str, rows: int = 1) -> None:
        if rows:
            self.reading.rows += rows
            self.reading.skipped[kind] += rows

    # the lines before the first row

    def _begin(self, block: Block) -> bytes:
        """Find the header; return the lines that are left."""
        raw = block.data.splitlines(keepends=True)
        skipped = min(self._known["skip"], len(raw))
        self._know(skip=self._known["skip"] - skipped)
        self._skipped("preamble", skipped)
        self._line += skipped
        raw = raw[skipped:]
        head = raw[:HEADER_LINES]
        ended = block.is_last or len(raw) >= HEADER_LINES or sum(map(len, head)) >= BLOCK_BYTES
        texts = [line.decode(self._encoding, "surrogateescape").rstrip("\r\n").lstrip(BOM) for line in head]
        detection = Detection(self._dialect, self._given, self._naming, self._stream.name, self._line)
        layout = detection.layout(texts, ended=ended) if raw else None
        if layout is not None:
            self._apply(layout)
            raw = raw[layout.first :]
        elif ended and raw:
            blank = len(head) + sum(1 for _ in takewhile(lambda line: not line.strip(), raw[len(head) :]))
            self._skipped("blank", blank)
            self._line += blank
            raw = raw[blank:]
        return b"".join(raw)

    def _apply(self, layout: Layout) -> None:
        reading, parser, dialect = self.reading, layout.parser, self._dialect
        where = f"{self._stream.name}:{self._line + (layout.line or 0) + 1}"
        check_unique(layout.header, where)
        self._parser = parser
        detected = {"delimiter": _NAMES.get(parser.delimiter, parser.delimiter), "quote": parser.quote or "none"}
        given = {"escape": parser.escape, "decimal": dialect.decimal, "thousands": dialect.thousands}
        detected |= {name: _NAMES.get(value, value) for name, value in given.items() if value is not None}
        self._skipped("sep line", layout.has_sep)
        if layout.line is None:
            detected["header"] = "none"
        else:
            detected["header"] = f"line {self._line + layout.line + 1}"
            self._skipped("preamble", layout.line - layout.has_sep)
            self._skipped("header")
        reading.detected |= detected
        self._line += layout.first
        self._know(dialect=[parser.delimiter, parser.quote, parser.escape], detected=reading.detected)
        self._set_table(Table(layout.header, layout.columns, self._naming))

    def _set_table(self, table: Table, trailing: int | None = None) -> None:
        self._table, table.trailing = table, trailing
        self._plain = PlainBlocks(self._parser, table, self._encoding)
        self._know(header=table.header, columns=table.columns, trailing=trailing)
        self.reading.columns = table.header

    # the rows

    def _read(self, data: bytes, table: Table, *, ended: bool) -> tuple[list[Record], Sequence[int], bytes]:
        """Return the records of whole lines, the line of each, and the lines that are left."""
        plain = self._plain.records(data)
        if plain is not None:
            self._warn_of_moved(table.trailing)
            table.trailing = 0
            first = self._line + 1
            self._line += len(plain)
            self.reading.rows += len(plain)
            return [*plain], range(first, first + len(plain)), b""
        rows = BlockRows(
            data, self._parser, self._encoding, width=table.width, multiline=self._dialect.multiline, ended=ended
        )
        records: list[Record] = []
        lines: list[int] = []
        for row in rows:
            record = self._record(row, table)
            if isinstance(record, Table):
                table = record
                rows.width = table.width
            elif record is not None:
                records.append(record)
                lines.append(self._line + row.line + 1)
        self._line += rows.lines
        self.reading.rows += len(records)
        return records, lines, rows.unread

    def _record(self, row: Row, table: Table) -> Record | Table | None:
        """Return the record of a row; None if the row is not data, and the table that it begins if it is a header."""
        if not row.text.isascii() and UNDECODED.search(row.text):
            return wrap(wrong_encoding(self._encoding, self._likely(row.body), row.body))
        if isinstance(row.cells, Unreadable):
            return wrap(row.cells)
        cells = list(map(str.strip, row.cells))
        if (repeated := table.repeated(cells)) is not None:
            self._skipped("repeated header")
            if repeated.fields != table.fields:
                self.reading.warnings["the columns change at a repeated header"] += 1
            self._set_table(repeated)
            return repeated
        if kind := table.kind(cells):
            self._skipped(kind)
            return None
        trailing, fault = table.trailing, table.surplus(cells)
        if not table.trailing:
            self._warn_of_moved(trailing)
        return wrap(surplus_cells(fault, row.body)) if fault else table.record(cells)

    def _warn_of_moved(self, trailing: int | None) -> None:
        if trailing:
            self.reading.warnings["the first rows have empty cells after the last column, others do not"] += 1

    def _likely(self, text: bytes) -> str | None:
        """The encoding that the text probably has: found for the first damaged row of the file."""
        if "likely" not in self._known:
            self._know(likely=likely_encoding(text))
        likely: str | None = self._known["likely"]
        return None if likely == self._encoding else likely
