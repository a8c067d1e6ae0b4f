"""Read Parquet files of any schema; their rows become records like those of Avro."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import InvalidOperationError, PanicException, PolarsError

from advertisex.errors import SourceError
from advertisex.ingestion.records import Chunk, Reader, Reading, Record
from advertisex.ingestion.stream import Stream

_CHUNK_ROWS = 5_000
#: Rows that are decoded together: a row group can declare any number.
_DECODED_ROWS = 1_000_000


class ParquetReader(Reader):
    """Reads a Parquet file in bounded memory.

    Times, decimals and nested records become Python's. A `float` becomes the double with the same shortest text, and a
    time outside Python's calendar a number, as in Avro.
    """

    def __init__(self, stream: Stream) -> None:
        self.reading = Reading("parquet")
        self._stream = stream

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows.

        Raises:
            SourceError: the file is damaged, or has a column of an unsupported type.
        """
        with self._stream.on_disk() as path:
            try:
                for frame in self._frames(path):
                    records = _records(frame)
                    self.reading.rows += len(records)
                    yield Chunk(records)
            except InvalidOperationError as error:
                raise SourceError(
                    "a column has a type that cannot be read, such as a decimal with more than 38 digits",
                    where=self._stream.name,
                    hint="write the file with other types",
                ) from error
            except (PolarsError, PanicException, OSError) as error:
                raise SourceError(
                    f"the Parquet file is truncated or damaged; rows before the damage: {self.reading.rows:,}",
                    where=self._stream.name,
                    hint="write the file again, then ingest it again (duplicates are not counted)",
                ) from error

    def _frames(self, path: Path) -> Iterator[pl.DataFrame]:
        table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        schema = table.collect_schema()
        self.reading.columns = schema.names()
        rows = table.select(pl.len()).collect().item()
        floats = {name: type_ for name, type_ in schema.items() if _with(pl.String(), type_) != type_}
        as_text = [pl.col(name).cast(_with(pl.String(), type_)) for name, type_ in floats.items()]
        as_double = [pl.col(name).cast(_with(pl.Float64(), type_)) for name, type_ in floats.items()]
        for start in range(0, rows, _DECODED_ROWS):
            part = table.slice(start, _DECODED_ROWS).with_columns(as_text).with_columns(as_double)
            yield from part.collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True)


def _with(replacement: pl.DataType, type_: Any) -> Any:
    """Return a type with another one in place of Float32: 0.1 is cast to Float64 through its text, to remain 0.1."""
    match type_:
        case pl.Float32():
            return replacement
        case pl.List():
            return pl.List(_with(replacement, type_.inner))
        case pl.Struct():
            return pl.Struct({field.name: _with(replacement, field.dtype) for field in type_.fields})
        case _:
            return type_


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
