"""Reads the embedded log: all partitions are assigned to this process."""

import time
from collections.abc import Collection
from dataclasses import replace

from advertisex.errors import LogDamaged, LogError
from advertisex.logs.assignment import Assignment
from advertisex.logs.contract import EventLog, LogReader, Positions
from advertisex.logs.lost import DAMAGED, REMOVED, warn_of_lost
from advertisex.model import Batch, Partition, Span

_POLL_SECONDS = 0.2


class SqliteReader(LogReader):
    """Reads the topics of one file."""

    def __init__(
        self, log: EventLog, topics: Collection[str], positions: Positions, limit: int, *, skip_damaged: bool
    ) -> None:
        self._log = log
        self._topics = topics
        self._ledger = positions
        self._limit = limit
        self._skip_damaged = skip_damaged
        self._assignment = Assignment()
        self._caught_up = False

    def poll(self) -> list[Batch]:
        ends = {p: end for p, end in self._log.end_offsets().items() if p.topic in self._topics}
        new = ends.keys() - set(self._assignment.held())
        if new:
            self._assign(new)
        batches = [batch for partition, end in ends.items() if (batch := self._next(partition, end)) is not None]
        self._caught_up = all(self._assignment.position(partition) == end for partition, end in ends.items())
        if not batches:
            time.sleep(_POLL_SECONDS)
        return batches

    @property
    def caught_up(self) -> bool:
        return self._caught_up

    def is_current(self, span: Span) -> bool:
        return self._assignment.is_current(span)

    def acknowledge(self, span: Span) -> None:
        """Do nothing: no lag tool reads the file."""

    def rewind(self, partition: Partition) -> None:
        self._assign([partition])

    def close(self) -> None:
        self._assignment.release(self._assignment.held())

    def _assign(self, partitions: Collection[Partition]) -> None:
        known = self._ledger()
        self._assignment.identify(self._log.identities({partition.topic for partition in partitions}))
        self._assignment.assign({partition: known.get(partition, 0) for partition in partitions})

    def _next(self, partition: Partition, end: int) -> Batch | None:
        offset = self._assignment.position(partition)
        if offset is None or offset == end:
            return None
        if offset > end:
            raise LogError(
                f"the ledger is at offset {offset}, but the log ends at {end}: this is not the log that was processed",
                where=f"{partition.topic}/{partition.partition}",
                hint="restore the original log, or use a new store for this one",
            )
        batch, why = self._read(partition, offset)
        span = self._assignment.next_span(partition, batch.span.end)
        if span is None or span.start != offset:  # it was reassigned during the read: these are not the next messages
            return None
        if batch.lost:
            warn_of_lost(partition, batch.lost, why)
        return replace(batch, span=span)

    def _read(self, partition: Partition, offset: int) -> tuple[Batch, str]:
        """The next batch, and why it has lost messages, if it has."""
        try:
            return self._log.read(*partition, offset, self._limit), REMOVED
        except LogDamaged as error:
            if not self._skip_damaged:
                raise
            span = Span(*partition, offset, error.end)
            return Batch(span, range(0), [], [], lost=error.end - offset), DAMAGED
