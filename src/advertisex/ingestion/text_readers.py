"""The readers of CSV and JSON, as `Reader` of a stream, a feed and the options."""

from collections.abc import Iterator
from typing import Protocol

from advertisex.feeds import Feed
from advertisex.ingestion.csv.header import naming
from advertisex.ingestion.csv.reader import read_csv
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


class CsvReader(_Counting):
    """Reads CSV rows."""

    def __init__(
        self, stream: Stream, feed: Feed, options: IngestOptions, resume: Resume | None = None, final: bool = True
    ) -> None:
        self.reading = Reading("csv")
        self._stream, self._feed, self._options = stream, feed, options

    def _records(self) -> Iterator[list[Record]]:
        options = self._options
        yield from read_csv(
            self._stream,
            columns=options.columns,
            delimiter=options.dialect.delimiter,
            name_columns=naming(self._feed, options.mapping),
        )


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
