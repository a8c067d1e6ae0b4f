"""Read CSV rows as dicts of text, in bounded memory. Malformed rows are passed on as raw bytes."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence

from advertisex.errors import SourceError
from advertisex.ingestion.csv.header import Naming, read_header
from advertisex.ingestion.records import MESSAGE_BYTES, Record
from advertisex.ingestion.stream import UTF16_BOMS, Stream

DELIMITERS = ",;\t|"
_CHUNK_ROWS = 5_000
#: A record that is still open after this many characters counts as one without a closing quote.
RECORD_CHARS = 2**20
#: How often the lines after an unclosed quote are read again; bounds the cost of a hostile file.
_RESCANS = 64
#: How `surrogateescape` represents bytes that are not UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")


class _UnclosedQuote(Exception):
    """The text ended, or the record grew too long, inside a quoted field."""

    def __init__(self, *, at_end: bool) -> None:
        super().__init__()
        self.at_end = at_end


class _UntilFailure(io.BufferedIOBase):
    """A stream that ends where it fails, so that the text before the failure is still read."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.failure: SourceError | None = None
        self._stream = stream

    @property
    def name(self) -> str:
        return self._stream.name

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        if self.failure is None:
            try:
                return self._stream.read1(size)
            except SourceError as error:
                self.failure = error
        return b""


class CsvReader:
    """Reads rows, and keeps the original text of each record for malformed ones.

    Args:
        stream: UTF-8 (a BOM is dropped), or UTF-16 with a BOM.
        columns: column names; empty if the first record is the header.
        delimiter: cell delimiter; None detects it in the first line.
        name_columns: maps the header to column names.
        wait: whether to leave an open record at the end in `unread`, because the file may still grow.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        columns: Sequence[str] = (),
        delimiter: str | None = None,
        name_columns: Naming = list,
        wait: bool = False,
    ) -> None:
        self.name = stream.name
        self.columns = list(columns)
        self.delimiter = delimiter
        self.unread = ""
        self._name_columns = name_columns
        self._wait = wait
        self._rescans = 0
        encoding = "utf-16" if stream.peek(2).startswith(UTF16_BOMS) else "utf-8-sig"
        errors = "replace" if encoding == "utf-16" else "surrogateescape"
        # newline="": the csv module needs the original line ends, which are data inside quotes
        self._bytes = _UntilFailure(stream)
        self._text = io.TextIOWrapper(self._bytes, encoding=encoding, errors=errors, newline="")
        self._pushed_back: deque[str] = deque()
        self._held: list[str] = []

    def chunks(self) -> Iterator[list[Record]]:
        """Yield the records, a few thousand at a time.

        Raises:
            SourceError: the stream failed; the header could not be read, repeats a column or has no known column; or
                a line exceeds the maximum message size.
        """
        # this limit is process-wide, and exceeding it is an error; RECORD_CHARS applies instead
        csv.field_size_limit(2**31 - 1)
        chunk: list[Record] = []
        for record in self._records():
            chunk.append(record)
            if len(chunk) == _CHUNK_ROWS:
                yield chunk
                chunk = []
        yield chunk
        if self._bytes.failure is not None:
            raise self._bytes.failure

    def _records(self) -> Iterator[Record]:
        if self.delimiter is None:
            self.delimiter = self._detect_delimiter()
        while True:
            try:
                yield from self._rows(csv.reader(self._lines(), delimiter=self.delimiter))
                return
            except _UnclosedQuote as error:
                if error.at_end and self._wait:
                    self.unread = "".join(self._held)
                    return
                self._require_header()
                yield from self._rescan()
            except csv.Error:
                self._require_header()
                yield self._take_raw()

    def _rows(self, reader: Iterator[list[str]]) -> Iterator[Record]:
        held, columns = self._held, self.columns
        width, unnamed = len(columns), columns.count("")
        for row in reader:
            text = held[0] if len(held) == 1 else "".join(held)
            if not text.isascii() and _UNDECODED.search(text):
                self._require_header()
                yield self._take_raw()
            elif not row:
                held.clear()
            elif not columns:
                columns = self.columns = read_header(row, self._name_columns, f"{self.name}:1")
                width, unnamed = len(columns), columns.count("")
                held.clear()
            elif len(row) > width and any(row[width:]):
                yield self._take_raw()
            elif unnamed > 1:  # a single one is an ordinary column: pandas writes its index like this
                record = _named_cells(columns, row)
                raw = self._take_raw()
                yield raw if record is None else record
            else:
                held.clear()
                # a shorter row lacks the last columns; validation checks them field by field
                yield dict(zip(columns, row, strict=False))

    def _require_header(self) -> None:
        """Raise if the header is still missing: the malformed record may be the header, and no later row can be."""
        if not self.columns:
            raise SourceError(
                "could not read the header",
                where=f"{self.name}:1",
                hint="encode it as UTF-8, or name the columns with --columns",
            )

    def _lines(self) -> Iterator[str]:
        """Yield physical lines with their line ends; the lines of the current record are held until it is complete."""
        held, pushed_back = self._held, self._pushed_back
        size = 0
        while True:
            if not held:
                size = 0
            line = pushed_back.popleft() if pushed_back else self._physical_line()
            if not line:
                if held:
                    raise _UnclosedQuote(at_end=True)
                return
            held.append(line)
            size += len(line)
            if size > RECORD_CHARS:
                raise _UnclosedQuote(at_end=False)
            yield line

    def _physical_line(self) -> str:
        line = self._text.readline(RECORD_CHARS + 1)
        if len(line) <= RECORD_CHARS:
            return line
        parts = [line]
        size = len(line)
        while not parts[-1].endswith(("\n", "\r")) and (part := self._text.readline(RECORD_CHARS + 1)):
            parts.append(part)
            size += len(part)
            if size > MESSAGE_BYTES:
                raise SourceError(
                    f"a line is longer than {MESSAGE_BYTES >> 20} MiB",
                    where=self.name,
                    hint="if this is not CSV, set the format with --format",
                )
        return "".join(parts)

    def _rescan(self) -> Iterator[Record]:
        """Yield the first held line raw and read the others again, because an unclosed quote swallowed them."""
        held = self._held.copy()
        self._rescans += 1
        self._held.clear()
        if self._rescans > _RESCANS:
            yield from (_bytes(line) for line in held if line.strip("\r\n"))
            return
        self._pushed_back.extendleft(reversed(held[1:]))
        yield _bytes(held[0])

    def _take_raw(self) -> bytes:
        text = "".join(self._held)
        self._held.clear()
        return _bytes(text)

    def _detect_delimiter(self) -> str:
        """Return the most frequent delimiter outside quotes in the first line; the comma if there is none."""
        line = self._physical_line()
        self._pushed_back.append(line)
        bare = re.sub(r'"[^"]*"', "", line)
        return max(DELIMITERS, key=bare.count)


def _named_cells(columns: list[str], row: list[str]) -> dict[str, str] | None:
    """Return the cells by column, without empty unnamed ones; None if two unnamed cells would collide."""
    cells = [(name, cell) for name, cell in zip(columns, row, strict=False) if name or cell]
    record = dict(cells)
    return record if len(record) == len(cells) else None


def _bytes(text: str) -> bytes:
    return text.rstrip("\r\n").encode("utf-8", "surrogateescape")


def read_csv(
    stream: Stream, *, columns: Sequence[str] = (), delimiter: str | None = None, name_columns: Naming = list
) -> Iterator[list[Record]]:
    """Yield the rows of a stream as dicts of text; see `CsvReader` for the arguments.

    A row with fewer cells than columns lacks the last ones. These are passed on as raw bytes: a row with surplus
    non-empty cells, a row that is not UTF-8, and a line with an unclosed quote (the lines after it are read again as
    rows). If several columns have no name, their empty cells are dropped; a row that fills more than one of them is
    passed on as raw bytes, too.

    Raises:
        SourceError: see `CsvReader.chunks`.
    """
    return CsvReader(stream, columns=columns, delimiter=delimiter, name_columns=name_columns).chunks()
