"""Open a source: a file, a folder, a glob, a URL, or `-` for stdin."""

import glob
from collections.abc import Iterator
from pathlib import Path

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.avro_source import read_avro
from advertisex.ingestion.csv_source import read_csv
from advertisex.ingestion.formats import EXTENSIONS, Format, detect_format, extension
from advertisex.ingestion.json_source import read_json, read_lines
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk
from advertisex.ingestion.stream import Stream, open_file, open_stdin

STDIN = "-"
_CHECK = "check the name; expected a file, folder, glob, URL or -"


def is_url(source: str) -> bool:
    """Whether the source is an HTTP API."""
    return source.lower().startswith(("http://", "https://"))


def files_of(source: str) -> list[Path]:
    """Return the files that a file name, folder or glob matches, in order; empty if nothing matches.

    A folder matches all files with a known extension in it and in its subfolders.

    Raises:
        SourceError: the name is invalid.
    """
    if not source.strip():  # the system reads it as the current folder, but it is most likely an unset variable
        raise SourceError(
            "the source is empty", hint="expected a file, folder, glob, URL or -; use . for the current folder"
        )
    try:
        return _found(source)
    except OSError as error:
        raise SourceError(f"could not list the files: {error.strerror or error}", where=source, hint=_CHECK) from error


def _found(source: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if extension(file.name) and file.is_file())
    if path.exists():
        return [path]
    # unlike Path.glob, glob.glob accepts absolute patterns
    return sorted(Path(found) for found in glob.glob(source, recursive=True) if Path(found).is_file())  # noqa: PTH207


def matched_files(source: str) -> list[Path]:
    """Return the files that a source matches, at least one.

    Raises:
        SourceError: nothing matches, or the name is invalid.
    """
    files = files_of(source)
    if files:
        return files
    if Path(source).is_dir():
        known = ", ".join(EXTENSIONS)
        raise SourceError(
            "the folder contains no file with a known extension", where=source, hint=f"known extensions: {known}"
        )
    raise SourceError("no such file", where=source, hint=_CHECK)


def failing(error: SourceError) -> Iterator[Chunk]:
    """Yield nothing and raise the error, so that it is handled where all read errors are."""
    raise error
    yield


def read_file(path: Path, feed: Feed, options: IngestOptions) -> Iterator[Chunk]:
    """Yield the records of one file.

    Raises:
        SourceError: the input could not be read completely; everything before the failure is yielded.
    """
    with open_file(path) as stream:
        yield from read_stream(stream, feed, options)


def read_stdin(feed: Feed, options: IngestOptions) -> Iterator[Chunk]:
    """Yield the records of standard input.

    Raises:
        SourceError: the input could not be read completely; everything before the failure is yielded.
    """
    with open_stdin() as stream:
        yield from read_stream(stream, feed, options)


def read_stream(
    stream: Stream, feed: Feed, options: IngestOptions, *, fallback: Format | None = None
) -> Iterator[Chunk]:
    """Yield the records of a stream, in the detected format.

    Raises:
        SourceError: the input could not be read completely; everything before the failure is yielded.
    """
    match detect_format(stream, options.format, fallback=fallback):
        case "json":
            yield from read_json(stream, options.shape(feed))
        case "ndjson":
            yield from read_lines(stream, options.shape(feed))
        case "csv":
            yield from read_csv(
                stream, columns=options.columns, delimiter=options.delimiter, name_columns=options.naming(feed)
            )
        case "avro":
            yield from read_avro(stream)
        case "datum":
            yield [stream.read(MESSAGE_BYTES + 1)]
        case None:
            return
