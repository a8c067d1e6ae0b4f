"""Read Parquet files of any schema; their rows become records like those of Avro."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from advertisex.codecs.json_encode import json_value
from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.errors import SourceError
from advertisex.ingestion.csv.table import MOST_COLUMNS
from advertisex.ingestion.parquet import frames as parquet_frames
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk, Reader, Reading, Record
from advertisex.ingestion.stream import Stream
from advertisex.limits import Limit

#: Limit on the text in the rows that become records together.
_PART_BYTES = 8 * 2**20
MOST_VALUES = Limit(
    2**20,
    "values",
    of="the lists in a row of Parquet",
    beyond="rejected by itself as `too_many_values`: its other columns are kept",
)
NESTED_BYTES = Limit(
    MESSAGE_BYTES,
    "bytes",
    of="the texts in the nested columns of a row of Parquet",
    beyond="rejected by itself as `too_long`: its other columns are kept",
)
#: Rows that are decoded together; fewer, if so many take too much memory.
_TOGETHER = (50_000, 2_000, 50)
_UNSUPPORTED = (
    "a column has a type that cannot be read, such as a decimal with more than 38 digits",
    "write the file with other types",
)
_DAMAGED = "the Parquet file is truncated or damaged; nothing was read", "write the file again, then ingest it again"


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
            together = self._checked(path)
            try:
                self.reading.columns = self._narrow(parquet_frames.columns(str(path)))
                for frame in parquet_frames.frames(str(path), together):
                    for part in _parts(frame):
                        records = _records(part) if part.height != 1 else [_record(part)]
                        self.reading.rows += len(records)
                        yield Chunk(records)
            except (PolarsError, PanicException, OSError) as error:
                raise SourceError(
                    "the Parquet file changed while it was read", where=self._stream.name, hint="ingest it again"
                ) from error

    def _narrow(self, columns: list[str]) -> list[str]:
        if len(columns) > MOST_COLUMNS:
            raise SourceError(
                f"the table has {len(columns):,} columns, more than {MOST_COLUMNS:,}",
                where=self._stream.name,
                hint="leave out columns that are not needed",
            )
        return columns

    def _checked(self, path: Path) -> int:
        """Check that another process can decode the file; returns the number of rows to decode together."""
        for together in _TOGETHER:
            # -P: nothing is imported from the current folder
            bounds = (str(together), str(parquet_frames.DECODED_BYTES))
            command = [sys.executable, "-P", "-m", parquet_frames.__name__, str(path), *bounds]
            status = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ).returncode
            if status == 0:
                return together
            if status != parquet_frames.TOO_LARGE:
                break
        what, hint = _DAMAGED
        if status == parquet_frames.UNSUPPORTED:
            what, hint = _UNSUPPORTED
        elif status == parquet_frames.TOO_LARGE:
            what = (
                f"{together} rows of the Parquet file take more than {parquet_frames.DECODED_BYTES:,} bytes of memory"
            )
            hint = "write it with smaller row groups, fewer columns, or shorter lists"
        raise SourceError(what, where=self._stream.name, hint=hint)


def _parts(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows in parts of limited size, or of one row.

    A null takes no bytes in a frame, and equal texts are one text in it, but not in its records.
    """
    values = frame.height * frame.width + _values_in(frame)
    if frame.height <= 1 or (values <= MOST_VALUES and _bytes_in(frame) <= _PART_BYTES):
        yield frame
        return
    half = frame.height // 2
    yield from _parts(frame[:half])
    yield from _parts(frame[half:])


def _bytes_in(frame: pl.DataFrame) -> int:
    """Return the size of the records of a frame."""
    return int(frame.estimated_size()) + sum(map(_text_bytes, frame.iter_columns()))


def _text_bytes(column: pl.Series) -> int:
    """Return the size of the texts in a column, each counted as often as it occurs."""
    match column.dtype:
        case pl.Struct():
            return sum(_text_bytes(column.struct.field(field.name)) for field in column.dtype.fields)
        case pl.List() | pl.Array():
            return _text_bytes(column.explode())
        case pl.String():
            return int(column.str.len_bytes().sum())
        case pl.Binary():
            return int(column.bin.size().sum())
        case pl.Categorical() | pl.Enum():
            return int(column.cat.len_bytes().sum())
        case _:
            return 0


def _nested_bytes(row: pl.DataFrame) -> int:
    """Return the size of the texts in the nested columns of a row."""
    return sum(_text_bytes(column) for column in row.iter_columns() if column.dtype.is_nested())


def _values_in(frame: pl.DataFrame) -> int:
    """Return the number of values in the lists of a frame."""
    return sum(map(_values, frame.iter_columns()))


def _values(column: pl.Series) -> int:
    if isinstance(column.dtype, pl.Struct):
        return sum(_values(column.struct.field(field.name)) for field in column.dtype.fields)
    if not isinstance(column.dtype, pl.List | pl.Array):
        return 0
    inner = column.explode()
    return len(inner) + _values(inner)


def _record(row: pl.DataFrame) -> Record:
    """Return a row; one with too much in its nested columns as unreadable."""
    if (values := _values_in(row)) > MOST_VALUES:
        return _without_nested(row, "too_many_values", f"{values:,} values in lists")
    if (size := _nested_bytes(row)) > NESTED_BYTES:
        return _without_nested(row, "too_long", f"{size:,} bytes of text in nested columns")
    (record,) = _records(row)
    return record


def _without_nested(row: pl.DataFrame, reason: str, what: str) -> Record:
    """Return a row as unreadable, without its nested columns."""
    flat = [name for name, dtype in row.schema.items() if not dtype.is_nested()]
    (kept,) = _records(row.select(flat)) if flat else ({},)
    detail = f"a row with {what}; its other columns are kept; hint: write smaller rows"
    return wrap(Unreadable(reason, detail, json_value(kept)))


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
