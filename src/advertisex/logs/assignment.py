"""The partitions assigned to a reader, with the epoch and next offset of each."""

from collections.abc import Iterable, Mapping
from threading import Lock

from advertisex.model import Partition, Span


class Assignment:
    """Positions and epochs of the assigned partitions. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._positions: dict[Partition, int] = {}
        self._epochs: dict[Partition, int] = {}
        self._logs: dict[str, str] = {}

    def identify(self, logs: Mapping[str, str]) -> None:
        """Record the log identity of each topic."""
        with self._lock:
            self._logs.update(logs)

    def changed(self, logs: Mapping[str, str]) -> list[str]:
        """The topics whose log identity has changed."""
        with self._lock:
            return [topic for topic, log in logs.items() if self._logs.get(topic, log) != log]

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Assign partitions, to be read from these offsets on; batches read earlier are no longer current."""
        with self._lock:
            for partition, offset in positions.items():
                self._positions[partition] = offset
                self._epochs[partition] = self._epochs.get(partition, 0) + 1

    def release(self, partitions: Iterable[Partition]) -> None:
        """Remove partitions from the assignment."""
        with self._lock:
            for partition in partitions:
                self._positions.pop(partition, None)

    def next_span(self, partition: Partition, end: int) -> Span | None:
        """Advance a partition to `end`, and return the span up to there; None if it is not assigned."""
        with self._lock:
            start = self._positions.get(partition)
            if start is None:
                return None
            self._positions[partition] = end
            return Span(*partition, start, end, self._epochs[partition], self._logs.get(partition.topic, ""))

    def position(self, partition: Partition) -> int | None:
        """The next offset of a partition; None if it is not assigned."""
        with self._lock:
            return self._positions.get(partition)

    def held(self) -> list[Partition]:
        """The assigned partitions."""
        with self._lock:
            return list(self._positions)

    def is_current(self, span: Span) -> bool:
        """Whether the span was read in the current epoch of its partition."""
        with self._lock:
            return span.of in self._positions and self._epochs[span.of] == span.epoch
