"""Read JSON texts in a test, and write records in every layout."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from advertisex.codecs.unreadable import unwrap
from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.json.reader import JsonReader
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import Chunk, Reading, Resume
from advertisex.ingestion.stream import Stream


class Blocks(io.BytesIO):
    """A file that returns at most `size` bytes at once."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(self._size if size is None or size < 0 else min(size, self._size))


@dataclass
class Seen:
    """What a reader returned; a fragment is shown as text."""

    values: list[bytes | str]
    lines: list[int]
    chunks: list[Chunk]
    reading: Reading
    failure: SourceError | None


def read(
    data: bytes,
    feed: str = "impressions",
    *,
    block: int = 2**20,
    resume: Resume | None = None,
    final: bool = True,
    **options: Any,
) -> Seen:
    """Read a text from the position to resume at."""
    stream = Stream(Blocks(data[resume.position if resume else 0 :], block), "x.json")
    reader = JsonReader(stream, FEEDS[feed], IngestOptions(**options), resume, final)
    chunks: list[Chunk] = []
    failure = None
    try:
        for chunk in reader.chunks():
            chunks.append(chunk)
            assert len(chunk.records) == len(chunk.lines)
    except SourceError as error:
        failure = error
    messages = [record for chunk in chunks for record in chunk.records]
    lines = [line for chunk in chunks for line in chunk.lines]
    assert reader.reading.rows == len(messages) + reader.reading.skipped.total()
    return Seen([_shown(m) for m in messages if isinstance(m, bytes)], lines, chunks, reader.reading, failure)


def _shown(message: bytes) -> bytes | str:
    fragment = unwrap(message)
    if fragment is None:
        return message
    assert fragment.reason == "not_a_record"
    return fragment.body.decode("latin-1")


Records = list[dict[str, Any]]

#: Layouts of records, each value at the top level or in one array.
SEQUENCES: dict[str, Callable[[Records], str]] = {
    "one a line": lambda records: "".join(json.dumps(r) + "\n" for r in records),
    "compact lines": lambda records: "\n".join(
        json.dumps(r, separators=(",", ":"), ensure_ascii=False) for r in records
    ),
    "CRLF and blank lines": lambda records: "".join(json.dumps(r) + "\r\n\n" for r in records),
    "joined": lambda records: "".join(map(json.dumps, records)),
    "pretty-printed": lambda records: "\n".join(json.dumps(r, indent=2) for r in records),
    "flat pretty-printed": lambda records: "\n".join(json.dumps(r, indent=0) for r in records),
    "commas": lambda records: " ,\n".join(map(json.dumps, records)),
    "record separators": lambda records: "".join(f"\x1e{json.dumps(r)}\n" for r in records),
    "an array a line": lambda records: "".join(json.dumps([r, *records[:1]]) + "\n" for r in records[1:]),
    "two byte order marks": lambda records: "\ufeff\ufeff" + "\n".join(map(json.dumps, records)),
}
ARRAYS: dict[str, Callable[[Records], str]] = {
    "array": json.dumps,
    "compact array": lambda records: json.dumps(records, separators=(",", ":")),
    "pretty-printed array": lambda records: json.dumps(records, indent=4),
    "array of lines": lambda records: "[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n",
    "array of arrays": lambda records: json.dumps([records[:1], records[1:]]),
}


def expected(layout: str, records: Records) -> Records:
    """Return the records that a layout contains."""
    return [x for r in records[1:] for x in (r, *records[:1])] if layout == "an array a line" else records
