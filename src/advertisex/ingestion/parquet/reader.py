"""Read Parquet files of any schema; their rows become records like those of Avro."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from advertisex.errors import SourceError
from advertisex.ingestion.parquet import frames as parquet_frames
from advertisex.ingestion.records import Chunk, Reader, Reading, Record
from advertisex.ingestion.stream import Stream

#: Limit on the text in the rows that become records together.
_PART_BYTES = 8 * 2**20


class ParquetReader(Reader):
    """Reads a Parquet file in bounded memory, once another process has decoded it without an error.

    Times, decimals and nested records become Python's; a time outside Python's calendar becomes a number, as in Avro.
    """

    def __init__(self, stream: Stream) -> None:
        self.reading = Reading("parquet")
        self._stream = stream

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows.

        Raises:
            SourceError: the file is damaged, or has a column of an unsupported type; no row was yielded.
        """
        with self._stream.on_disk() as path:
            self._check(path)
            try:
                self.reading.columns = parquet_frames.columns(str(path))
                for frame in parquet_frames.frames(str(path)):
                    for part in _parts(frame):
                        records = _records(part)
                        self.reading.rows += len(records)
                        yield Chunk(records)
            except (PolarsError, PanicException, OSError) as error:
                raise SourceError(
                    "the Parquet file changed while it was read", where=self._stream.name, hint="ingest it again"
                ) from error

    def _check(self, path: Path) -> None:
        # -P: nothing is imported from the current folder
        command = [sys.executable, "-P", "-m", parquet_frames.__name__, str(path)]
        status = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode
        if status == parquet_frames.UNSUPPORTED:
            raise SourceError(
                "a column has a type that cannot be read, such as a decimal with more than 38 digits",
                where=self._stream.name,
                hint="write the file with other types",
            )
        if status != 0:
            raise SourceError(
                "the Parquet file is truncated or damaged; nothing was read",
                where=self._stream.name,
                hint="write the file again, then ingest it again",
            )


def _parts(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows in parts of limited size. Equal texts are one text in a frame, but not in its records."""
    sizes = frame.select(pl.col(pl.String).str.len_bytes().max(), pl.col(pl.Binary).bin.size().max())
    widest = max(
        1, frame.estimated_size() // max(1, frame.height), *(size or 0 for row in sizes.rows() for size in row)
    )
    yield from frame.iter_slices(max(1, int(_PART_BYTES // widest)))


def _records(frame: pl.DataFrame) -> list[Record]:
    try:
        return list(frame.to_dicts())
    except (OverflowError, ValueError):  # a time outside Python's calendar
        if frame.height > 1:
            half = frame.height // 2
            return _records(frame[:half]) + _records(frame[half:])
        return [{column.name: _value(column) for column in frame}]


def _value(column: pl.Series) -> Any:
    try:
        return column.to_list()[0]
    except (OverflowError, ValueError):
        return column.to_physical().to_list()[0]
