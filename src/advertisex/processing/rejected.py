"""The rejects between stages, as frames by row, and their conversion to the rejects of an outcome."""

from collections.abc import Mapping

import polars as pl

from advertisex.codecs.rejection import Rejection
from advertisex.model import REJECT_COLUMNS, Batch

_COLUMNS = {
    "row": pl.UInt32(),
    "kind": pl.String(),
    "stage": pl.String(),
    "reason": pl.String(),
    "detail": pl.String(),
}


def rejected_frame(stage: str, rejections: Mapping[int, Rejection], kind: str = "rejected") -> pl.DataFrame:
    """Rejections by row of the batch, as a frame: row, kind, stage, reason, detail."""
    return pl.DataFrame(
        {
            "row": list(rejections),
            "kind": [kind] * len(rejections),
            "stage": [stage] * len(rejections),
            "reason": [rejection.reason for rejection in rejections.values()],
            "detail": [rejection.detail for rejection in rejections.values()],
        },
        schema=_COLUMNS,
    )


def rejects_of(batch: Batch, rejected: pl.DataFrame) -> pl.DataFrame:
    """The rejected rows of a batch (see `rejected_frame`) by offset, each with its whole payload (`REJECT_COLUMNS`)."""
    frame = rejected.sort("row")
    rows = frame["row"].to_list()
    return frame.with_columns(
        pl.Series("offset", [batch.offsets[row] for row in rows], dtype=pl.Int64),
        pl.Series("payload", [batch.payloads[row] for row in rows], dtype=pl.Binary),
        pl.Series("ingested_at", [batch.ingested_at[row] for row in rows], dtype=pl.Int64).cast(pl.Datetime("us")),
    ).select(list(REJECT_COLUMNS))
