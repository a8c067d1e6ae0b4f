"""The readers of JSON, as `Reader` of a stream, a feed and the options."""

from collections.abc import Iterator
from typing import Protocol

from advertisex.feeds import Feed
from advertisex.ingestion.json_source import read_json, read_lines, record_shape
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import Chunk, Reader, Reading, Record, Resume
from advertisex.ingestion.stream import Stream


class _Counting(Reader, Protocol):
    def _records(self) -> Iterator[list[Record]]: ...

    def chunks(self) -> Iterator[Chunk]:
        for records in self._records():
            self.reading.rows += len(records)
            yield Chunk(records)


class JsonReader(_Counting):
    """Reads JSON values."""

    def __init__(
        self, stream: Stream, feed: Feed, options: IngestOptions, resume: Resume | None = None, final: bool = True
    ) -> None:
        self.reading = Reading(options.format or "json")
        self._stream = stream
        self._lines = options.format == "ndjson"
        self._shape = record_shape(feed, options.mapping, options.records)

    def _records(self) -> Iterator[list[Record]]:
        yield from (read_lines if self._lines else read_json)(self._stream, self._shape)
