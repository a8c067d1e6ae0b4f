"""The format of rejections between stages, and their conversion to the rejects of an outcome."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from advertisex.model import REJECT_COLUMNS, Batch

_SHOWN = 200
_COLUMNS = {
    "row": pl.UInt32(),
    "kind": pl.String(),
    "stage": pl.String(),
    "reason": pl.String(),
    "detail": pl.String(),
}


class Rejection(NamedTuple):
    """Why one message is rejected: reason code and detail."""

    reason: str
    detail: str


def shown(value: object) -> str:
    """A value for a detail: its repr, truncated to 200 characters."""
    try:
        text = repr(value)
    except RecursionError:  # deep enough to be decoded, but too deep for repr()
        return "a value that is nested too deeply"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


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


def rejects_of(batch: Batch, rejected: Iterable[pl.DataFrame], without: Sequence[int] = ()) -> pl.DataFrame:
    """Combine the rejections of all stages, sorted by offset, each with its whole payload (`REJECT_COLUMNS`).

    Args:
        batch: the batch.
        rejected: the frame of each stage (see `rejected_frame`).
        without: rows of the batch to leave out.
    """
    frame = pl.concat(rejected).sort("row")
    if without:
        frame = frame.filter(~pl.col("row").is_in(without))
    rows = frame["row"].to_list()
    return frame.with_columns(
        pl.Series("offset", [batch.offsets[row] for row in rows], dtype=pl.Int64),
        pl.Series("payload", [batch.payloads[row] for row in rows], dtype=pl.Binary),
        pl.Series("ingested_at", [batch.ingested_at[row] for row in rows], dtype=pl.Int64).cast(pl.Datetime("us")),
    ).select(list(REJECT_COLUMNS))
