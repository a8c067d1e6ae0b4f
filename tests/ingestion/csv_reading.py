"""Reads CSV in tests: the rows as dicts, and unreadable ones out of their frames."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from advertisex.codecs.unreadable import Unreadable, unwrap
from advertisex.feeds import FEEDS
from advertisex.ingestion.csv.reader import CsvReader
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import Chunk, Reading, Resume
from advertisex.ingestion.stream import Stream, decompressed

CLICKS = FEEDS["clicks"]
#: Supplies every required field, so that any header will do.
ANY_HEADER = FieldMapping({}, {field.name: "x" for field in CLICKS.fields if field.required})
BLOCKS = "advertisex.ingestion.csv.line_blocks.BLOCK_BYTES"


@dataclass
class Read:
    """What a reader returned."""

    chunks: list[Chunk]
    reading: Reading

    @property
    def rows(self) -> list[Any]:
        return [
            unwrap(record) if isinstance(record, bytes) else record for chunk in self.chunks for record in chunk.records
        ]

    @property
    def good(self) -> list[dict[str, str]]:
        return [row for row in self.rows if isinstance(row, dict)]

    @property
    def bad(self) -> list[Unreadable]:
        return [row for row in self.rows if not isinstance(row, dict)]

    @property
    def lines(self) -> list[int]:
        return [line for chunk in self.chunks for line in chunk.lines]


def read(
    data: bytes,
    *,
    columns: Sequence[str] = (),
    mapping: FieldMapping = ANY_HEADER,
    resume: Resume | None = None,
    final: bool = True,
    compressed: bool = False,
    **dialect: Any,
) -> Read:
    """Read bytes; rows of the input must be messages or skipped."""
    options = IngestOptions(columns=tuple(columns), mapping=mapping, dialect=CsvDialect(**dialect)).checked()
    stream = Stream(io.BytesIO(data), "x.csv")
    reader = CsvReader(decompressed(stream) if compressed else stream, CLICKS, options, resume, final)
    seen = Read(list(reader.chunks()), reader.reading)
    assert len(seen.rows) + sum(seen.reading.skipped.values()) == seen.reading.rows
    assert len(seen.lines) == len(seen.rows)
    return seen
