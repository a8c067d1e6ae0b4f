"""SOURCE on the command line: a file, a folder, a glob, a URL, or `-` for stdin; and how each is read."""

import glob
from collections.abc import Iterator
from pathlib import Path

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.avro_source import read_avro
from advertisex.ingestion.csv_source import read_csv
from advertisex.ingestion.formats import EXTENSIONS, Format, extension, recognise
from advertisex.ingestion.json_source import read_json, read_lines
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk
from advertisex.ingestion.stream import Stream, open_file, open_stdin

STDIN = "-"
_CHECK = "check the name; a source is a file, folder, glob, URL or -"


def is_url(source: str) -> bool:
    """Whether the source is an HTTP API."""
    return source.lower().startswith(("http://", "https://"))


def files_of(source: str) -> list[Path]:
    """The files that a file name, a folder or a glob stands for, in order; none where it matches nothing.

    A folder stands for all files in it and below that have a known extension.

    Raises:
        SourceError: the name is none.
    """
    if not source.strip():  # to the system it is the current folder, to the user a variable that is not set
        raise SourceError("the source is empty", hint="name a file, folder, glob, URL or -; the current folder is .")
    try:
        return _found(source)
    except OSError as error:
        raise SourceError(f"cannot be looked for: {error.strerror or error}", where=source, hint=_CHECK) from error


def _found(source: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if extension(file.name) and file.is_file())
    if path.exists():
        return [path]
    # Path.glob would want the pattern split from its anchor; this one takes it as the shell would
    return sorted(Path(found) for found in glob.glob(source, recursive=True) if Path(found).is_file())  # noqa: PTH207


def matched_files(source: str) -> list[Path]:
    """The files that a source stands for, at least one.

    Raises:
        SourceError: it matches nothing, or its name is none.
    """
    files = files_of(source)
    if files:
        return files
    if Path(source).is_dir():
        known = ", ".join(EXTENSIONS)
        raise SourceError("the folder holds no file to ingest", where=source, hint=f"known extensions: {known}")
    raise SourceError("no such file", where=source, hint=_CHECK)


def failing(error: SourceError) -> Iterator[Chunk]:
    """An input that is not there, so that its failure is met in the same place as all others."""
    raise error
    yield


def read_file(path: Path, feed: Feed, options: IngestOptions) -> Iterator[Chunk]:
    """The records of one file.

    Raises:
        SourceError: it cannot be read whole; what came before is yielded.
    """
    with open_file(path) as stream:
        yield from read_stream(stream, feed, options)


def read_stdin(feed: Feed, options: IngestOptions) -> Iterator[Chunk]:
    """The records of standard input.

    Raises:
        SourceError: it cannot be read whole; what came before is yielded.
    """
    with open_stdin() as stream:
        yield from read_stream(stream, feed, options)


def read_stream(
    stream: Stream, feed: Feed, options: IngestOptions, *, otherwise: Format | None = None
) -> Iterator[Chunk]:
    """The records of a stream, in the format that it turns out to have.

    Raises:
        SourceError: it cannot be read whole; what came before is yielded.
    """
    match recognise(stream, options.format, otherwise=otherwise):
        case "json":
            yield from read_json(stream, options.shape(feed))
        case "ndjson":
            yield from read_lines(stream, options.shape(feed))
        case "csv":
            yield from read_csv(
                stream, columns=options.columns, delimiter=options.delimiter, known=options.naming(feed)
            )
        case "avro":
            yield from read_avro(stream)
        case "datum":
            yield [stream.read(MESSAGE_BYTES + 1)]
        case None:
            return
