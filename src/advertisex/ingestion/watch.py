"""What is new in a file, folder or glob since it was last looked at.

NDJSON and CSV files that grow are read on from where the last complete record ended. Anything else is read whole,
once it has kept its size and time from one look to the next, and again whenever it has changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.csv_source import CsvReader
from advertisex.ingestion.formats import COMPRESSED, Kind, recognise
from advertisex.ingestion.json_source import Lines, begins_with_a_line
from advertisex.ingestion.open_source import failing, files_of, read_file
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk
from advertisex.ingestion.stream import BOM, Stream, open_file

_STEP_BYTES = 16 * 2**20


@dataclass(slots=True)
class _Seen:
    """What is known of one file."""

    inode: int
    lines: Lines
    kind: Kind | None = None
    position: int = 0
    columns: list[str] = field(default_factory=list)
    delimiter: str | None = None
    look: tuple[int, int] | None = None
    read: tuple[int, int] | None = None


class Watch:
    """Remembers how far the files that a source stands for have been read."""

    def __init__(self, source: str, feed: Feed, options: IngestOptions) -> None:
        self._source, self._feed, self._options = source, feed, options
        self._seen: dict[Path, _Seen] = {}

    def poll(self) -> Iterator[tuple[str, Iterator[Chunk]]]:
        """For each file with something new: its name, and the new records."""
        try:
            files = files_of(self._source)
        except SourceError as error:
            yield self._source, failing(error)
            return
        for path in files:
            yield str(path), self._new_in(path)

    def _new_in(self, path: Path) -> Iterator[Chunk]:
        try:
            status = path.stat()
        except OSError:
            return  # it went away between the listing and now; nothing of it can be read any more
        seen = self._seen.get(path)
        if seen is None or seen.inode != status.st_ino or status.st_size < seen.position:
            # another file under the same name, or one that was begun anew
            seen = self._seen[path] = _Seen(status.st_ino, Lines(self._options.shape(self._feed), str(path)))
        if seen.kind is None:
            seen.kind = self._kind_of(path)
        look = (status.st_size, status.st_mtime_ns)
        if seen.kind == "ndjson":
            yield from self._grown_lines(path, seen)
        elif seen.kind == "csv":
            yield from self._grown_rows(path, seen)
        elif seen.kind is not None and look != seen.read:
            settled, seen.look = look == seen.look, look
            if settled:
                seen.read = look
                yield from read_file(path, self._feed, self._options)

    def _kind_of(self, path: Path) -> Kind | None:
        """The kind of a file; archives and UTF-16 count as documents, for they cannot be read on from the middle."""
        with open_file(path) as stream:
            kind = recognise(stream, self._options.format)
            head = stream.peek(4)
            if path.suffix.lower() in COMPRESSED or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
                return "json" if kind is not None else None
            if kind == "json" and begins_with_a_line(stream):
                return "ndjson"
            return kind

    def _grown_lines(self, path: Path, seen: _Seen) -> Iterator[Chunk]:
        for text in _grown(path, seen):
            yield seen.lines.messages(text)
            seen.position += len(text)
        seen.lines.check()

    def _grown_rows(self, path: Path, seen: _Seen) -> Iterator[Chunk]:
        for text in _grown(path, seen):
            reader = CsvReader(
                Stream(BytesIO(text), str(path)),
                columns=seen.columns or self._options.columns,
                delimiter=seen.delimiter or self._options.delimiter,
                known=self._options.naming(self._feed),
                wait=True,
            )
            yield from reader.chunks()
            seen.columns, seen.delimiter = reader.columns, reader.delimiter
            waiting = len(reader.unread.encode("utf-8", "surrogateescape"))
            seen.position += len(text) - waiting
            if waiting:
                return  # a quoted cell whose end is yet to be written


def _grown(path: Path, seen: _Seen) -> Iterator[bytes]:
    """The complete lines after the position, in steps of bounded weight; the caller moves the position on."""
    try:
        with path.open("rb") as file:
            while True:
                file.seek(seen.position)
                text = file.read(_STEP_BYTES)
                end = text.rfind(b"\n") + 1
                while not end and len(text) >= _STEP_BYTES and len(text) <= MESSAGE_BYTES:
                    more = file.read(_STEP_BYTES)
                    if not more:
                        break
                    text += more
                    end = text.rfind(b"\n") + 1
                if not end:
                    return
                head = text[:end]
                if seen.position == 0 and head.startswith(BOM):
                    seen.position = len(BOM)
                    head = head[len(BOM) :]
                yield head
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
