"""Decode Parquet files with Polars, a part of a row group at a time.

    python -m advertisex.ingestion.parquet.frames FILE ROWS BYTES

decodes a file, so many rows together, and ends with status 0 if it is intact, `UNSUPPORTED` if a column has an
unsupported type, `TOO_LARGE` if they take more memory, and another one if it is damaged: a damaged file can
abort the process, in a way that no code can handle.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
from polars.exceptions import InvalidOperationError

from advertisex.limits import Limit

UNSUPPORTED, TOO_LARGE = 3, 4
DECODED_BYTES = Limit(
    2**30,
    "bytes",
    of="the rows of Parquet that are decoded together, of 50 if more do not fit",
    beyond="an error of the file",
)
_FRAME_ROWS = 5_000


def columns(path: str) -> list[str]:
    """Return the names of the columns of a file."""
    return _table(path).collect_schema().names()


def frames(path: str, together: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file. A Float32 becomes the Float64 with the same shortest text: 0.1 remains 0.1.

    Args:
        path: the file.
        together: number of rows that are decoded together: a row group can declare any number.
    """
    table = _table(path)
    schema = table.collect_schema()
    rows = table.select(pl.len()).collect().item()
    floats = {name: type_ for name, type_ in schema.items() if _with(pl.String(), type_) != type_}
    as_text = [pl.col(name).cast(_with(pl.String(), type_)) for name, type_ in floats.items()]
    as_double = [pl.col(name).cast(_with(pl.Float64(), type_)) for name, type_ in floats.items()]
    for start in range(0, rows, together):
        part = table.slice(start, together).with_columns(as_text).with_columns(as_double)
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


def _end_beyond(limit: int) -> None:
    """End this process when its memory has grown by more bytes; a few bytes of a file can become any number."""
    start = _resident()
    while _resident() - start <= limit:
        time.sleep(0.005)
    os._exit(TOO_LARGE)


def _resident() -> int:
    """The memory of this process in bytes; 0 on systems without /proc."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


if __name__ == "__main__":
    Thread(target=_end_beyond, args=[int(sys.argv[3])], daemon=True).start()
    try:
        for _ in frames(sys.argv[1], int(sys.argv[2])):
            pass
    except InvalidOperationError:
        sys.exit(UNSUPPORTED)
