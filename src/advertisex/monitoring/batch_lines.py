"""One line in the log for each batch that is stored: what came, what became of it, how long it took. No user data."""

from dataclasses import asdict

import structlog

from advertisex.processing.runner import Committed

_LOG = structlog.get_logger("advertisex.batches")


def log_batch(batch: Committed) -> None:
    """Write the line of a batch."""
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
