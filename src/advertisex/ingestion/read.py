"""Read an input with the reader of its format."""

from collections.abc import Iterator
from pathlib import Path

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.avro_source import read_avro
from advertisex.ingestion.csv_header import naming
from advertisex.ingestion.csv_source import read_csv
from advertisex.ingestion.formats import Format, detect_format
from advertisex.ingestion.json_source import read_json, read_lines, record_shape
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk, Input
from advertisex.ingestion.sources import Files, Stdin
from advertisex.ingestion.stream import Stream, open_file, open_stdin


def read_stream(
    stream: Stream, feed: Feed, options: IngestOptions, *, fallback: Format | None = None
) -> Iterator[Chunk]:
    """Yield the records of a stream, in the detected format.

    Args:
        stream: the input.
        feed: feed of its records.
        options: how to read it.
        fallback: format to assume if neither content nor name shows one.

    Raises:
        SourceError: the input could not be read completely; everything before the failure is yielded.
    """
    match detect_format(stream, options.format, fallback=fallback):
        case "json":
            yield from read_json(stream, record_shape(feed, options.mapping, options.records))
        case "ndjson":
            yield from read_lines(stream, record_shape(feed, options.mapping, options.records))
        case "csv":
            yield from read_csv(
                stream,
                columns=options.columns,
                delimiter=options.delimiter,
                name_columns=naming(feed, options.mapping),
            )
        case "avro":
            yield from read_avro(stream)
        case "datum":
            yield [stream.read(MESSAGE_BYTES + 1)]
        case None:
            return


def read_file(path: Path, feed: Feed, options: IngestOptions) -> Iterator[Chunk]:
    """Yield the records of one file; see `read_stream`."""
    with open_file(path) as stream:
        yield from read_stream(stream, feed, options)


def read_files(files: Files, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield each file with its records; see `read_stream`. A file is opened when its first chunk is read."""
    try:
        paths = files.existing_paths()
    except SourceError as error:
        yield files.name, failing(error)
        return
    for path in paths:
        yield str(path), read_file(path, feed, options)


def read_stdin(stdin: Stdin, feed: Feed, options: IngestOptions) -> Iterator[Chunk]:
    """Yield the records of standard input; see `read_stream`."""
    with open_stdin(stdin.stream) as stream:
        yield from read_stream(stream, feed, options)


def failing(error: SourceError) -> Iterator[Chunk]:
    """Yield nothing and raise the error, so that it is handled where all read errors are."""
    raise error
    yield
