"""Read the body of a response like a file."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

from advertisex.errors import ConfigurationError, SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.api.request import Response
from advertisex.ingestion.encodings import checked_encoding, shown_encoding
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import Failing, inputs_of
from advertisex.ingestion.records import Chunk, Input, Reader
from advertisex.ingestion.stream import Stream, decompressed


def read_body(response: Response, where: str, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield the inputs of a response. A declared charset is used unless the user named an encoding or the text has one.

    Text in UTF-8 that declares so is read as if nothing were declared.
    """
    name, body, charset = where, response.body, response.charset
    if charset and options.dialect.encoding is None and not _shows_encoding(body):
        try:
            checked_encoding(charset)
        except ConfigurationError:
            error = SourceError(
                f"unknown charset {charset!r} in the Content-Type of the response",
                where=name,
                hint="name the encoding of the text with --encoding",
            )
            yield Input(name, Failing(error))
            return
        options = replace(options, dialect=replace(options.dialect, encoding=charset))
    inputs = inputs_of(
        lambda: decompressed(Stream(BytesIO(body), name)), name, feed, options, fallback=response.declared
    )
    for one in inputs:
        yield replace(one, reader=_Warning(one.reader, response.warnings)) if response.warnings else one


class _Warning(Reader):
    """Adds the warnings of a response to the reading of its body."""

    def __init__(self, reader: Reader, warnings: tuple[str, ...]) -> None:
        self._reader, self._warnings, self.reading = reader, warnings, reader.reading

    def chunks(self) -> Iterator[Chunk]:
        for chunk in self._reader.chunks():
            self._add()
            yield chunk
        self._add()

    def _add(self) -> None:
        self.reading = self._reader.reading
        self.reading.warnings.update(dict.fromkeys(set(self._warnings) - self.reading.warnings.keys(), 1))


def _shows_encoding(body: bytes) -> bool:
    with decompressed(Stream(BytesIO(body), "")) as stream:
        try:
            return shown_encoding(stream.peek(4)[:4])[0] is not None
        except SourceError:  # reported when the body is read
            return False
