"""CSV: text rows become dicts of text, in bounded memory. What is no row goes on as its raw bytes."""

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from advertisex.errors import SourceError
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk, Record
from advertisex.ingestion.stream import Stream

DELIMITERS = ",;\t|"
_CHUNK_ROWS = 5_000
#: A record that is still open after so much text has lost its closing quote.
RECORD_CHARS = 2**20
#: How often the text after a lost quote is read again. A hostile file could ask for it at every line.
_RESCANS = 64
#: What `surrogateescape` makes of bytes that are no UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class _Unclosed(Exception):
    """The text ended, or grew too long, within a quoted field."""

    def __init__(self, *, at_end: bool) -> None:
        super().__init__()
        self.at_end = at_end


#: From the header of a file to the names of its columns, as many; None where it names none that is known.
Naming = Callable[[list[str]], list[str] | None]


class _UntilFailure(io.BufferedIOBase):
    """A stream that ends where it fails, so that the text before the failure is still read as lines."""

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
    """Reads rows from text that comes as lines, remembering what each record looked like.

    Args:
        stream: its bytes; UTF-8 (a BOM is dropped), or UTF-16 with a BOM.
        columns: the names of the columns; empty when the first record holds them.
        delimiter: None finds it in the first line.
        known: gives the names of the columns, given the header.
        wait: leave a record that is still open at the end unread, since its rest may be yet to come.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        columns: Sequence[str] = (),
        delimiter: str | None = None,
        known: Naming = list,
        wait: bool = False,
    ) -> None:
        self.name = stream.name
        self.columns = list(columns)
        self.delimiter = delimiter
        self.unread = ""
        self._known = known
        self._wait = wait
        self._rescans = 0
        encoding = "utf-16" if stream.peek(2)[:2] in _UTF16 else "utf-8-sig"
        errors = "replace" if encoding == "utf-16" else "surrogateescape"
        # newline="": line ends within quotes are data; csv wants to see them
        self._bytes = _UntilFailure(stream)
        self._text = io.TextIOWrapper(self._bytes, encoding=encoding, errors=errors, newline="")
        self._again: deque[str] = deque()
        self._held: list[str] = []

    def chunks(self) -> Iterator[Chunk]:
        """The records, a few thousand at a time.

        Raises:
            SourceError: the stream fails; the header cannot be read, names a column twice or none that is known; a
                line is larger than a message may be.
        """
        # a limit of the whole process; ours is RECORD_CHARS, and a longer field is no reason to stop
        csv.field_size_limit(2**31 - 1)
        chunk: Chunk = []
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
            self.delimiter = self._detected()
        while True:
            try:
                yield from self._rows(csv.reader(self._lines(), delimiter=self.delimiter))
                return
            except _Unclosed as unclosed:
                if unclosed.at_end and self._wait:
                    self.unread = "".join(self._held)
                    return
                self._expect_columns()
                yield from self._resumed()
            except csv.Error:
                self._expect_columns()
                yield self._raw()

    def _rows(self, reader: Iterator[list[str]]) -> Iterator[Record]:
        held, columns = self._held, self.columns
        width, nameless = len(columns), columns.count("")
        for row in reader:
            text = held[0] if len(held) == 1 else "".join(held)
            if not text.isascii() and _UNDECODED.search(text):
                self._expect_columns()
                yield self._raw()
            elif not row:
                held.clear()
            elif not columns:
                self._take_header(row)
                columns, width, nameless = self.columns, len(self.columns), self.columns.count("")
            elif len(row) > width and any(row[width:]):
                yield self._raw()
            elif nameless > 1:  # a single one is a column like others: pandas writes its index so
                record = _named_cells(columns, row)
                raw = self._raw()
                yield raw if record is None else record
            else:
                held.clear()
                # shorter: the absent columns are absent, for validation to judge field by field
                yield dict(zip(columns, row, strict=False))

    def _expect_columns(self) -> None:
        """A record that cannot be read may be the header; to take the row after it for the header misreads them all."""
        if not self.columns:
            raise SourceError(
                "the header cannot be read",
                where=f"{self.name}:1",
                hint="write it as UTF-8, or name the columns with --columns",
            )

    def _take_header(self, row: list[str]) -> None:
        row = [name if name.strip() else "" for name in row]
        twice = sorted({name for name in row if name and row.count(name) > 1})
        if twice:
            raise SourceError(
                f"the header names a column twice: {', '.join(map(repr, twice))}",
                where=f"{self.name}:1",
                hint="rename one of them, or name the columns with --columns and drop the header",
            )
        named = self._known(row)
        if named is None:
            raise SourceError(
                f"none of the {len(row)} columns of the header is a field",  # their names may be a user's data
                where=f"{self.name}:1",
                hint="name the columns with --columns, or map them with --map",
            )
        self._held.clear()
        self.columns = named

    def _lines(self) -> Iterator[str]:
        """Physical lines with their ends; those of the record being read are held until it is done."""
        held, again = self._held, self._again
        weight = 0
        while True:
            if not held:
                weight = 0
            line = again.popleft() if again else self._physical_line()
            if not line:
                if held:
                    raise _Unclosed(at_end=True)
                return
            held.append(line)
            weight += len(line)
            if weight > RECORD_CHARS:
                raise _Unclosed(at_end=False)
            yield line

    def _physical_line(self) -> str:
        line = self._text.readline(RECORD_CHARS + 1)
        if len(line) <= RECORD_CHARS:
            return line
        parts = [line]
        weight = len(line)
        while not parts[-1].endswith(("\n", "\r")) and (part := self._text.readline(RECORD_CHARS + 1)):
            parts.append(part)
            weight += len(part)
            if weight > MESSAGE_BYTES:
                raise SourceError(
                    f"a line is longer than {MESSAGE_BYTES >> 20} MiB",
                    where=self.name,
                    hint="if this is no CSV, name its format with --format",
                )
        return "".join(parts)

    def _resumed(self) -> Iterator[Record]:
        """The first held line as it is; the others are read again, for a quote that was lost swallowed them."""
        held = self._held.copy()
        self._rescans += 1
        self._held.clear()
        if self._rescans > _RESCANS:
            yield from (_bytes(line) for line in held if line.strip("\r\n"))
            return
        self._again.extendleft(reversed(held[1:]))
        yield _bytes(held[0])

    def _raw(self) -> bytes:
        text = "".join(self._held)
        self._held.clear()
        return _bytes(text)

    def _detected(self) -> str:
        """The delimiter that the first line holds most often outside of quotes; the comma where it holds none."""
        line = self._physical_line()
        self._again.append(line)
        bare = re.sub(r'"[^"]*"', "", line)
        return max(DELIMITERS, key=bare.count)


def _named_cells(columns: list[str], row: list[str]) -> dict[str, str] | None:
    """The cells by column, without empty ones that have no name; None where one would hide another without a name."""
    cells = [(name, cell) for name, cell in zip(columns, row, strict=False) if name or cell]
    record = dict(cells)
    return record if len(record) == len(cells) else None


def _bytes(text: str) -> bytes:
    return text.rstrip("\r\n").encode("utf-8", "surrogateescape")


def read_csv(
    stream: Stream, *, columns: Sequence[str] = (), delimiter: str | None = None, known: Naming = list
) -> Iterator[Chunk]:
    """The rows of a stream as dicts of text; see `CsvReader` for what it accepts.

    A row with fewer cells than columns leaves the last ones out. A row with more, unless those are empty, a row that
    is not UTF-8, and a line whose quote is never closed (the lines after it are read as rows again) go on as raw bytes.
    Where several columns have no name, their empty cells are left out; a row that fills more than one goes on raw.

    Raises:
        SourceError: see `CsvReader.chunks`.
    """
    return CsvReader(stream, columns=columns, delimiter=delimiter, known=known).chunks()
