"""Reports messages without a plausible time of their own."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from advertisex.model import Batch, Partition

_LOG = structlog.get_logger(__name__)


class Untimed:
    """Counts the messages whose append time was missing or implausible: each is ingested at the time of reading."""

    def __init__(self) -> None:
        self._counts: Counter[Partition] = Counter()
        self._reported: Counter[Partition] = Counter()

    def add(self, batch: Batch) -> None:
        """Count the messages of a batch; the first ones of a partition are reported at once."""
        if batch.untimed:
            self._counts[batch.span.of] += batch.untimed
            if batch.span.of not in self._reported:
                self._report(batch.span.of)

    def close(self) -> None:
        """Report how many there were, where that was not reported yet."""
        for partition in self._counts - self._reported:
            self._report(partition)

    def _report(self, partition: Partition) -> None:
        self._reported[partition] = self._counts[partition]
        _LOG.warning(
            "messages without a plausible append time (in Kafka: in milliseconds): the time of reading is used",
            partition=f"{partition.topic}/{partition.partition}",
            count=self._counts[partition],
        )


@contextmanager
def reporting_untimed() -> Iterator[Untimed]:
    """Yield a counter, and report its totals at the end."""
    counted = Untimed()
    try:
        yield counted
    finally:
        counted.close()
