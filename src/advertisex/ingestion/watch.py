"""Poll a file, folder or glob for new records.

NDJSON and CSV files are tailed from the end of the last complete record. Any other file is read as a whole once its
size and modification time are unchanged between two polls, and again after each change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.csv.reader import CsvReader
from advertisex.ingestion.formats import COMPRESSED, Kind, detect_format
from advertisex.ingestion.json.reader import JsonReader
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.read import Failing, read_file
from advertisex.ingestion.records import Chunk, Input, Reader, Reading, Resume
from advertisex.ingestion.sources import Files
from advertisex.ingestion.stream import UTF16_BOMS, Stream, open_file

_READ_BYTES = 16 * 2**20


@dataclass(slots=True)
class _FileState:
    """State of one watched file.

    Attributes:
        inode: identifies the file behind the name.
        kind: detected kind of input; None while the file is empty.
        position: bytes read so far (NDJSON and CSV).
        resume: where to continue (CSV).
        lines: lines of NDJSON read so far.
        version: size and mtime (ns) at the last poll.
        read_version: size and mtime (ns) when the file was last read as a whole.
    """

    inode: int
    kind: Kind | None = None
    position: int = 0
    resume: Resume | None = None
    lines: int = 0
    version: tuple[int, int] | None = None
    read_version: tuple[int, int] | None = None


class _Polled(Reader):
    """The new records of a file."""

    def __init__(self, new: Iterator[Chunk]) -> None:
        self.reading, self._new = Reading(), new

    def chunks(self) -> Iterator[Chunk]:
        yield from self._new


class Watch:
    """Tracks how far the files of a source have been read."""

    def __init__(self, source: Files, feed: Feed, options: IngestOptions) -> None:
        self._source, self._feed, self._options = source, feed, options
        self._seen: dict[Path, _FileState] = {}

    def poll(self) -> Iterator[Input]:
        """Yield the name of each file with its new records."""
        try:
            paths = self._source.paths()
        except SourceError as error:
            yield Input(self._source.name, Failing(error))
            return
        for path in paths:
            yield Input(str(path), _Polled(self._poll_file(path)))

    def _poll_file(self, path: Path) -> Iterator[Chunk]:
        try:
            status = path.stat()
        except OSError:
            return  # deleted since the listing
        seen = self._seen.get(path)
        if seen is None or seen.inode != status.st_ino or status.st_size < seen.position:
            # a new file of the same name, or a truncated one
            seen = self._seen[path] = _FileState(status.st_ino)
        if seen.kind is None:
            seen.kind = self._kind_of(path)
        version = (status.st_size, status.st_mtime_ns)
        if seen.kind == "ndjson":
            yield from self._poll_lines(path, seen)
        elif seen.kind == "csv":
            yield from self._poll_rows(path, seen)
        elif seen.kind is not None and version != seen.read_version:
            settled, seen.version = version == seen.version, version
            if settled:
                seen.read_version = version
                for one in read_file(path, self._feed, self._options):
                    yield from one.reader.chunks()

    def _kind_of(self, path: Path) -> Kind | None:
        """Detect the kind of a file. Archives and UTF-16 files count as JSON documents, which are not tailed."""
        with open_file(path) as stream:
            kind = detect_format(stream, self._options.format)
            if path.suffix.lower() in COMPRESSED or stream.peek(2).startswith(UTF16_BOMS):
                return "json" if kind is not None else None
            return "ndjson" if kind == "json" and stream.peek(1)[:1] != b"[" else kind

    def _poll_lines(self, path: Path, seen: _FileState) -> Iterator[Chunk]:
        with path.open("rb") as file:
            file.seek(seen.position)
            resume = Resume(seen.position, seen.lines)
            reader = JsonReader(Stream(file, str(path)), self._feed, self._options, resume, final=False)
            for chunk in reader.chunks():
                if chunk.resume is not None:
                    seen.position, seen.lines = chunk.resume.position, chunk.resume.lines
                yield chunk

    def _poll_rows(self, path: Path, seen: _FileState) -> Iterator[Chunk]:
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(seen.resume.position if seen.resume else 0)
                stream = Stream(file, str(path))
                for chunk in CsvReader(stream, self._feed, self._options, seen.resume, final=False).chunks():
                    yield chunk
                    seen.resume = chunk.resume or seen.resume
                    seen.position = seen.resume.position if seen.resume else 0
        except OSError as error:
            raise SourceError(f"could not read the file: {error.strerror or error}", where=str(path)) from error
