"""The lines of bulk requests to Elasticsearch: bytes built from frames."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from advertisex.stores.elasticsearch.times import TIME_FORMAT

#: Approximate size of a body in bytes: large enough to be fast, small enough to retry and to keep several in memory.
BODY_BYTES = 4_000_000
#: Maximum number of rows to encode at once, which bounds memory.
_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class BulkLines:
    """Lines of bulk operations in one buffer; operation i (action and document) ends at `bounds[i + 1]`."""

    data: memoryview
    bounds: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def body(self, rows: Sequence[int]) -> bytes:
        """The bytes to send for these rows."""
        if isinstance(rows, range):
            return bytes(self.data[self.bounds[rows.start] : self.bounds[rows.stop]])
        return b"".join(self.data[self.bounds[row] : self.bounds[row + 1]] for row in rows)

    def parts(self) -> Iterator[range]:
        """Ranges of rows of about equal size, up to `BODY_BYTES`, so that no thread waits long for the last one."""
        size = int(self.bounds[-1] - self.bounds[0])
        target = size / max(1, -(-size // BODY_BYTES))
        start = 0
        while start < len(self):
            end = int(np.searchsorted(self.bounds, self.bounds[start] + target, side="left"))
            end = min(max(end, start + 1), len(self))
            yield range(start, end)
            start = end


def lines_of(documents: pl.DataFrame, ids: pl.Expr, operation: Literal["create", "index", "update"]) -> BulkLines:
    """The lines that write each row of a frame as a document.

    Args:
        documents: one column per field; Datetime and Binary columns are converted to Elasticsearch's formats.
        ids: document ids, as text that needs no escaping in JSON.
        operation: `create` fails if the id exists, `index` replaces the document, `update` changes the fields in the
            column `doc`.
    """
    body = pl.struct(_as_json(name, dtype) for name, dtype in documents.schema.items() if name != "event_id")
    action = pl.lit(f'{{"{operation}":{{"_id":"')
    lines = documents.select(lines=pl.concat_str(action, ids, pl.lit('"}}\n'), body.struct.json_encode()))
    data = io.BytesIO()
    lines.write_csv(data, include_header=False, quote_style="never")  # ends each with a line feed
    sizes = lines["lines"].str.len_bytes().cast(pl.Int64) + 1
    return BulkLines(data.getbuffer(), np.concatenate([[0], sizes.cum_sum().to_numpy()]))


def chunks(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Slices of a frame, small enough to bound the memory of their lines."""
    slices = int(frame.estimated_size()) // (4 * BODY_BYTES) + 1
    rows = max(1, min(_ROWS, frame.height // slices))
    yield from frame.iter_slices(rows)


def _as_json(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Datetime:
        return column.dt.to_string(TIME_FORMAT)
    return column.bin.encode("base64") if dtype == pl.Binary else column
