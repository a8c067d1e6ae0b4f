"""Read the rows of a CSV file as dicts of text. What cannot be read strictly costs its row, and no other."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.csv.detect import HEADER_LINES, Detection, Layout
from advertisex.ingestion.csv.fast_path import BOM
from advertisex.ingestion.csv.line_blocks import BLOCK_BYTES, Block, Blocks
from advertisex.ingestion.csv.row_parser import RowParser
from advertisex.ingestion.csv.table import MOST_COLUMNS, Table, too_many_columns
from advertisex.ingestion.csv.table_rows import Part, TableRows
from advertisex.ingestion.encodings import as_utf8, keeps_ascii, text_encoding
from advertisex.ingestion.naming import Naming, check_unique
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import PAUSE, Chunk, Reader, Reading, Record, Resume, too_long
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
        self._parser: RowParser
        self._rows: TableRows | None = None

    def chunks(self) -> Iterator[Chunk]:
        blocks = Blocks(self._as_ascii(), self._position, final=self._final)
        if "columns" in self._known:
            self._parser = RowParser(*self._known["dialect"])
            self._set_table(self._known["header"], self._known["columns"], self._known["trailing"])
            self.reading.detected |= self._known["detected"]
        while block := blocks.next():
            records: list[Record] = []
            lines: Sequence[int] = ()
            rest = block.data
            if block.too_long:
                yield self._long(block)
                continue
            if self._rows is None:
                rest = self._begin(block)
            if self._rows is not None and rest:
                records, lines, self._line, rest = self._read(self._rows, rest, ended=block.is_last)
            if rest:
                blocks.put_back(rest)
            if len(rest) < len(block.data):
                yield Chunk(records, lines, self._resume(block.end - len(rest)))
            if blocks.is_idle():
                yield PAUSE
        if blocks.failure is not None:
            raise blocks.failure

    def _long(self, block: Block) -> Chunk:
        """Return the beginning of a line that is too long for a message.

        Raises:
            SourceError: it is before the first row, so that the header may be in it.
        """
        self._line += 1
        if self._rows is None:
            raise SourceError(
                f"a line of {block.too_long:,} bytes is before the first row",
                where=f"{self._stream.name}:{self._line}",
                hint="if this is not CSV, set the format with --format",
            )
        self.reading.rows += 1
        self.reading.warn_of_long(self._line)
        record = too_long(block.data, block.too_long, f"line {self._line}")
        return Chunk([record], [self._line], self._resume(block.end))

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
        if len(layout.columns) > MOST_COLUMNS:
            raise too_many_columns(len(layout.columns), where)
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
        self._set_table(layout.header, layout.columns)

    def _set_table(self, header: list[str], columns: list[str], trailing: int | None = None) -> None:
        table = Table(header, columns, self._naming)
        table.trailing = trailing
        self._rows = TableRows(
            self._parser,
            table,
            self._encoding,
            self.reading,
            self._known.get("likely"),
            multiline=self._dialect.multiline,
        )
        self._know_table(table)

    def _know_table(self, table: Table) -> None:
        self._know(header=table.header, columns=table.columns, trailing=table.trailing)
        self.reading.columns = table.header

    def _read(self, rows: TableRows, data: bytes, *, ended: bool) -> Part:
        table, trailing, likely = rows.table, rows.table.trailing, rows.likely
        part = rows.read(data, self._line, ended=ended)
        if rows.table is not table or table.trailing != trailing:
            self._know_table(rows.table)
        if rows.likely is not likely:
            self._know(likely=rows.likely)
        return part
