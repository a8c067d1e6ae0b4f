"""Which partitions a reader holds, under which claim, and where it goes on in each."""

from collections.abc import Iterable, Mapping
from threading import Lock

from advertisex.batches import Partition, Span


class Assignment:
    """Positions and claims of partitions, for a thread that reads and others that commit."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._positions: dict[Partition, int] = {}
        self._epochs: dict[Partition, int] = {}
        self._logs: dict[str, str] = {}

    def identify(self, logs: Mapping[str, str]) -> None:
        """Take note which log each of these topics is."""
        with self._lock:
            self._logs.update(logs)

    def changed(self, logs: Mapping[str, str]) -> list[str]:
        """The topics among these that are another log than they were."""
        with self._lock:
            return [topic for topic, log in logs.items() if self._logs.get(topic, log) != log]

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Hold these partitions, from these offsets on; whatever was read of them before is no longer current."""
        with self._lock:
            for partition, offset in positions.items():
                self._positions[partition] = offset
                self._epochs[partition] = self._epochs.get(partition, 0) + 1

    def release(self, partitions: Iterable[Partition]) -> None:
        """Hold these partitions no longer."""
        with self._lock:
            for partition in partitions:
                self._positions.pop(partition, None)

    def next_span(self, partition: Partition, end: int) -> Span | None:
        """The span from where a partition stands to `end`, which it stands at from now on; None if it is not held."""
        with self._lock:
            start = self._positions.get(partition)
            if start is None:
                return None
            self._positions[partition] = end
            return Span(*partition, start, end, self._epochs[partition], self._logs.get(partition.topic, ""))

    def position(self, partition: Partition) -> int | None:
        """Where a partition stands; None if it is not held."""
        with self._lock:
            return self._positions.get(partition)

    def held(self) -> list[Partition]:
        """The partitions that are held."""
        with self._lock:
            return list(self._positions)

    def is_current(self, span: Span) -> bool:
        """Whether the span was read under the claim that still holds."""
        with self._lock:
            return span.of in self._positions and self._epochs[span.of] == span.epoch
