"""What of an outcome becomes documents: its rows, with where they came from; and what must not be missing in them."""

from datetime import datetime

import polars as pl

from advertisex.batches import EVENT_COLUMNS, REJECT_COLUMNS, Outcome
from advertisex.errors import StoreError
from advertisex.feeds import FEEDS


def with_provenance(frame: pl.DataFrame, outcome: Outcome, now: datetime) -> pl.DataFrame:
    """Rows of an outcome with topic, partition and processed_at."""
    return frame.with_columns(
        topic=pl.lit(outcome.span.topic),
        partition=pl.lit(outcome.span.partition, pl.Int32),
        processed_at=pl.lit(now, pl.Datetime("us")),
    )


def check_whole(outcome: Outcome) -> None:
    """Refuse an outcome that lacks what every row must have, before any of it is written.

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
                hint="report it: no stage of processing may leave it out",
            )


def refused_by_store(outcome: Outcome, rejected: dict[int, str]) -> pl.DataFrame:
    """Rejects for the events that Elasticsearch refused, each with its message."""
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
