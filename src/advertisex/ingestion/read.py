"""Read an input with the reader of its format."""

from collections.abc import Callable, Iterator
from pathlib import Path

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.avro_source import read_avro
from advertisex.ingestion.csv.header import naming
from advertisex.ingestion.csv.reader import read_csv
from advertisex.ingestion.formats import Format, detect_format
from advertisex.ingestion.json_source import read_json, read_lines, record_shape
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk, Input, Reader, Reading, Record
from advertisex.ingestion.sources import Files, Stdin
from advertisex.ingestion.stream import Stream, open_file, open_stdin


class StreamReader(Reader):
    """Reads an input that is opened when its first chunk is read.

    Args:
        opened: opens the input; it is closed after its last chunk.
        feed: feed of its records.
        options: how to read it.
        fallback: format to assume if neither content nor name shows one.
    """

    def __init__(
        self, opened: Callable[[], Stream], feed: Feed, options: IngestOptions, *, fallback: Format | None = None
    ) -> None:
        self.reading = Reading()
        self._opened, self._feed, self._options, self._fallback = opened, feed, options, fallback

    def chunks(self) -> Iterator[Chunk]:
        with self._opened() as stream:
            for records in self._records(stream):
                self.reading.rows += len(records)
                yield Chunk(records)

    def _records(self, stream: Stream) -> Iterator[list[Record]]:
        feed, options = self._feed, self._options
        kind = detect_format(stream, options.format, fallback=self._fallback)
        self.reading.format = kind or ""
        match kind:
            case "json":
                yield from read_json(stream, record_shape(feed, options.mapping, options.records))
            case "ndjson":
                yield from read_lines(stream, record_shape(feed, options.mapping, options.records))
            case "csv":
                yield from read_csv(
                    stream,
                    columns=options.columns,
                    delimiter=options.dialect.delimiter,
                    name_columns=naming(feed, options.mapping),
                )
            case "avro":
                yield from read_avro(stream)
            case "datum":
                yield [stream.read(MESSAGE_BYTES + 1)]
            case None:
                return


class Failing(Reader):
    """Yields nothing and raises an error, so that it is handled where all read errors are."""

    def __init__(self, error: SourceError) -> None:
        self.reading, self._error = Reading(), error

    def chunks(self) -> Iterator[Chunk]:
        raise self._error
        yield


def read_file(path: Path, feed: Feed, options: IngestOptions) -> Reader:
    """Return the reader of one file."""
    return StreamReader(lambda: open_file(path), feed, options)


def read_files(files: Files, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield each file with its reader; a file is opened when its first chunk is read."""
    try:
        paths = files.existing_paths()
    except SourceError as error:
        yield Input(files.name, Failing(error))
        return
    for path in paths:
        yield Input(str(path), read_file(path, feed, options))


def read_stdin(stdin: Stdin, feed: Feed, options: IngestOptions) -> Input:
    """Return standard input with its reader."""
    return Input(stdin.name, StreamReader(lambda: open_stdin(stdin.stream), feed, options))
