"""The rows of an outcome as documents: provenance, required columns, and rejects for events that were not accepted."""

from datetime import datetime

import polars as pl

from advertisex.errors import StoreError
from advertisex.feeds import FEEDS
from advertisex.model import EVENT_COLUMNS, REJECT_COLUMNS, Outcome


def with_provenance(frame: pl.DataFrame, outcome: Outcome, now: datetime) -> pl.DataFrame:
    """Add topic, partition and processed_at to rows of an outcome."""
    return frame.with_columns(
        topic=pl.lit(outcome.span.topic),
        partition=pl.lit(outcome.span.partition, pl.Int32),
        processed_at=pl.lit(now, pl.Datetime("us")),
    )


def check_required(outcome: Outcome) -> None:
    """Check the required columns of an outcome, before any of it is written.

    Raises:
        StoreError: a required column has a null.
    """
    required = {f.column for f in FEEDS[outcome.feed].fields if f.required} | set(EVENT_COLUMNS)
    for frame, columns in ((outcome.events, required), (outcome.rejects, set(REJECT_COLUMNS))):
        lacking = [name for name in sorted(columns) if frame[name].null_count()]
        if lacking:
            raise StoreError(
                f"cannot write to the event store: {lacking[0]} is missing in a row",
                where=f"{outcome.span.topic}/{outcome.span.partition}/{outcome.span.start}",
                hint="this is a bug: please report it",
            )


def rejected_by_store(outcome: Outcome, rejected: dict[int, str]) -> pl.DataFrame:
    """Rejects for the events that Elasticsearch rejected, each with its message."""
    messages = outcome.messages
    rows = [row for row, offset in enumerate(messages.offsets) if offset in rejected]
    offsets = [messages.offsets[row] for row in rows]
    return pl.DataFrame(
        {
            "offset": offsets,
            "detail": [rejected[offset] for offset in offsets],
            "payload": [messages.payloads[row] for row in rows],
            "ingested_at": pl.Series([messages.ingested_at[row] for row in rows], dtype=pl.Int64).cast(
                pl.Datetime("us")
            ),
        }
    ).select(
        "offset",
        kind=pl.lit("rejected"),
        stage=pl.lit("store"),
        reason=pl.lit("store_refused"),
        detail="detail",
        payload="payload",
        ingested_at="ingested_at",
    )
