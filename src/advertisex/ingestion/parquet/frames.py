"""Decode Parquet files with Polars, a part of a row group at a time.

    python -m advertisex.ingestion.parquet.frames FILE

decodes a file and ends with status 0 if it is intact, `UNSUPPORTED` if a column has an unsupported type, and another
one if it is damaged: a damaged file can abort the process, in a way that no code can handle.
"""

import sys
from collections.abc import Iterator
from typing import Any

import polars as pl
from polars.exceptions import InvalidOperationError

UNSUPPORTED = 3
_FRAME_ROWS = 5_000
#: Rows that are decoded together: a row group can declare any number.
_DECODED_ROWS = 50_000


def columns(path: str) -> list[str]:
    """Return the names of the columns of a file."""
    return _table(path).collect_schema().names()


def frames(path: str) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file. A Float32 becomes the Float64 with the same shortest text: 0.1 remains 0.1."""
    table = _table(path)
    schema = table.collect_schema()
    rows = table.select(pl.len()).collect().item()
    floats = {name: type_ for name, type_ in schema.items() if _with(pl.String(), type_) != type_}
    as_text = [pl.col(name).cast(_with(pl.String(), type_)) for name, type_ in floats.items()]
    as_double = [pl.col(name).cast(_with(pl.Float64(), type_)) for name, type_ in floats.items()]
    for start in range(0, rows, _DECODED_ROWS):
        part = table.slice(start, _DECODED_ROWS).with_columns(as_text).with_columns(as_double)
        # not in batches: they copy every text, even if all rows share one
        yield from part.collect().iter_slices(_FRAME_ROWS)


def _table(path: str) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _with(replacement: pl.DataType, type_: Any) -> Any:
    """Return a type with another one in place of Float32."""
    match type_:
        case pl.Float32():
            return replacement
        case pl.List():
            return pl.List(_with(replacement, type_.inner))
        case pl.Struct():
            return pl.Struct({field.name: _with(replacement, field.dtype) for field in type_.fields})
        case _:
            return type_


if __name__ == "__main__":
    try:
        for _ in frames(sys.argv[1]):
            pass
    except InvalidOperationError:
        sys.exit(UNSUPPORTED)
