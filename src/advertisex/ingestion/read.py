"""Read an input with the reader of its format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.avro.reader import AvroReader
from advertisex.ingestion.csv.reader import CsvReader
from advertisex.ingestion.excel.reader import ExcelReader
from advertisex.ingestion.formats import Format, Kind, detect_format
from advertisex.ingestion.json.reader import JsonReader
from advertisex.ingestion.naming import Naming
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.parquet.reader import ParquetReader
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk, Input, Reader, Reading, Resume
from advertisex.ingestion.sources import Files, Stdin
from advertisex.ingestion.stream import ZIP, OnRead, Stream, open_file, open_stdin
from advertisex.ingestion.unexpected import at_the_cost_of
from advertisex.ingestion.zip_archive import Archive, Member

_FORMAT = "format"
_JSON = ("json", "ndjson")


def kind_of(stream: Stream, feed: Feed, options: IngestOptions, fallback: Format | None = None) -> Kind | None:
    """Return the kind of input in a stream; see `detect_format`. The header of a table is that of the feed."""

    def is_header(line: str) -> bool:
        return Naming(feed, options.mapping).is_header_line(line)

    return detect_format(stream, options.format, fallback=fallback, is_header=is_header)


def reader_of(
    stream: Stream,
    feed: Feed,
    options: IngestOptions,
    *,
    fallback: Format | None = None,
    resume: Resume | None = None,
    final: bool = True,
) -> Reader:
    """Return the reader of an open stream. For an empty one, the format of its reading is empty.

    Args:
        stream: the input, at its first byte, or at the position of `resume`.
        feed: feed of its records.
        options: how to read it.
        fallback: format that the source declares; see `detect_format`.
        resume: where to continue: that of a chunk of an earlier reader of the same input.
        final: whether the input is complete; otherwise an incomplete record at its end is not read yet.

    Raises:
        SourceError: the format could not be detected.
    """
    kind: Kind | None = resume.known[_FORMAT] if resume else kind_of(stream, feed, options, fallback)
    reader: Reader
    match kind:
        case "csv":
            reader = _Continued(kind, CsvReader(stream, feed, options, resume, final))
        case "json" | "ndjson":
            reader = _Continued(kind, JsonReader(stream, feed, options, resume, final))
        case "avro":
            reader = _Continued(kind, AvroReader(stream, resume, final))
        case "parquet":
            reader = ParquetReader(stream)
        case "xlsx":
            reader = ExcelReader(stream, feed, options)
        case "datum":
            reader = _Datum(stream)
        case None:
            reader = Nothing()
    if kind not in (*_JSON, None):
        given = {"--records": options.records, "--inherit": options.inherit}
        reader.reading.warnings.update(f"{flag} is for JSON, not used here" for flag, value in given.items() if value)
    return reader


class _Continued(Reader):
    """Adds the format to where each chunk can be continued."""

    def __init__(self, format_: Format, reader: Reader) -> None:
        self.reading, self._format, self._reader = reader.reading, format_, reader

    def chunks(self) -> Iterator[Chunk]:
        for chunk in self._reader.chunks():
            resume = chunk.resume
            if resume is not None:
                resume = replace(resume, known={_FORMAT: self._format, **resume.known})
            yield replace(chunk, resume=resume)


class _Datum(Reader):
    """Reads a stream that is one message; one that is too large is rejected when it is appended."""

    def __init__(self, stream: Stream) -> None:
        self.reading, self._stream = Reading("avro", {"framing": "single-object encoding"}, rows=1), stream

    def chunks(self) -> Iterator[Chunk]:
        yield Chunk([self._stream.read(MESSAGE_BYTES + 1)])


class Nothing(Reader):
    """Reads an input that is empty, or of which nothing is new; or an archive whose members have been read."""

    def __init__(self, format_: str = "") -> None:
        self.reading = Reading(format_)

    def chunks(self) -> Iterator[Chunk]:
        return iter(())


class StreamReader(Reader):
    """Reads an input that is opened when its first chunk is read.

    Args:
        opened: opens the input; it is closed after its last chunk.
        feed: feed of its records.
        options: how to read it.
        fallback: format that the source declares; see `detect_format`.
    """

    def __init__(
        self, opened: Callable[[], Stream], feed: Feed, options: IngestOptions, *, fallback: Format | None = None
    ) -> None:
        self.reading = Reading()
        self._opened, self._feed, self._options, self._fallback = opened, feed, options, fallback

    def chunks(self) -> Iterator[Chunk]:
        with self._opened() as stream:
            reader = reader_of(stream, self._feed, self._options, fallback=self._fallback)
            self.reading = reader.reading
            yield from reader.chunks()


class Failing(Reader):
    """Yields nothing and raises an error, so that it is handled where all read errors are."""

    def __init__(self, error: SourceError) -> None:
        self.reading, self._error = Reading(), error

    def chunks(self) -> Iterator[Chunk]:
        raise self._error
        yield


def or_failing(inputs: Iterator[Input], name: str) -> Iterator[Input]:
    """Yield inputs; if the next one cannot be found, yield one of this name that fails, as the last one."""
    try:
        with at_the_cost_of(name):
            yield from inputs
    except SourceError as error:
        yield Input(name, Failing(error))


class _Skipped(Reader):
    """Reports the members of an archive that are not inputs."""

    def __init__(self, archive: Archive, members: Sequence[Member]) -> None:
        self.reading = Reading("zip", rows=archive.skipped.total(), skipped=archive.skipped)
        if not members:
            self.reading.warnings["the archive has no member to read"] = 1

    def chunks(self) -> Iterator[Chunk]:
        return iter(())


def inputs_of(
    opened: Callable[[], Stream], name: str, feed: Feed, options: IngestOptions, *, fallback: Format | None = None
) -> Iterator[Input]:
    """Yield a file or body with its reader, or each member of a zip archive.

    An input is opened when its first chunk is read. A member must be read before the next input is requested: the
    archive is closed after the last one.
    """
    return or_failing(_inputs_of(opened, name, feed, options, fallback), name)


def _inputs_of(
    opened: Callable[[], Stream], name: str, feed: Feed, options: IngestOptions, fallback: Format | None
) -> Iterator[Input]:
    with opened() as stream:
        zipped = stream.peek(4).startswith(ZIP)
    if zipped:
        yield from _members(opened(), feed, options)
    else:
        yield Input(name, StreamReader(opened, feed, options, fallback=fallback))


def _members(stream: Stream, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield the members of a zip archive, or the archive if it is an Excel workbook.

    Raises:
        SourceError: the archive could not be read.
    """
    name = stream.name
    with stream, stream.on_disk() as path, Archive(path, name) as archive:
        if archive.is_workbook:
            yield Input(name, StreamReader(lambda: open_file(path, name), feed, options))
            return
        members = list(archive.members())
        for member in members:
            yield Input(member.name, StreamReader(member.opened, feed, options))
        if archive.skipped or not members:
            yield Input(name, _Skipped(archive, members))


def read_file(path: Path, feed: Feed, options: IngestOptions, on_read: OnRead | None = None) -> Iterator[Input]:
    """Yield a file, or the members of an archive; see `inputs_of`."""
    return inputs_of(lambda: open_file(path, on_read=on_read), str(path), feed, options)


def read_files(files: Files, feed: Feed, options: IngestOptions, on_read: OnRead | None = None) -> Iterator[Input]:
    """Yield each input of each file; see `inputs_of`.

    Raises:
        SourceError: there are none, or they cannot be listed.
    """
    for path in files.existing_paths():
        yield from read_file(path, feed, options, on_read)


def inputs_in(stream: Stream, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield an open stream, which can be read once, or the members of an archive; see `inputs_of`.

    Raises:
        SourceError: it could not be read.
    """
    if stream.peek(4).startswith(ZIP):
        yield from _members(stream, feed, options)
    else:
        yield Input(stream.name, StreamReader(lambda: stream, feed, options))


def read_stdin(stdin: Stdin, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield standard input, or the members of an archive; see `inputs_in`."""
    yield from inputs_in(open_stdin(stdin.stream), feed, options)
