"""Logs one line per committed batch: positions, counts and timings, but no user data."""

from dataclasses import asdict

import structlog

from advertisex.processing.runner import Committed

_LOG = structlog.get_logger("advertisex.model")


def log_batch(batch: Committed) -> None:
    """Log a committed batch."""
    span = batch.outcome.span
    _LOG.info(
        "batch stored",
        feed=batch.outcome.feed,
        topic=span.topic,
        partition=span.partition,
        start=span.start,
        end=span.end,
        **asdict(batch.counts),
        **{f"{stage}_seconds": round(seconds, 6) for stage, seconds in asdict(batch.seconds).items()},
    )
