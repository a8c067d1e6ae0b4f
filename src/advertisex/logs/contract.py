"""What an event log promises. Every log passes `tests/contracts/test_logs.py`."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from advertisex.batches import Batch, Partition

#: A read stops after this many bytes of payload, so that memory stays bounded whatever the messages weigh.
READ_BYTES = 64 * 2**20


class EventLog(Protocol):
    """Messages of named topics, each in one partition at a rising offset.

    Order holds within a partition. Offsets rise, and gaps are allowed. Any number of processes may append and
    read at the same time.
    """

    def append(self, topic: str, messages: Sequence[bytes]) -> None:
        """Append messages in order; they are durable when this returns, all of them or none.

        Raises:
            LogError: the log cannot be written; none of the messages is in it.
        """
        ...

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Batch:
        """At most `limit` messages from `offset` on, and at least one unless the end is reached.

        The batch's span starts at `offset` and ends where the next read goes on. It is bounded by `READ_BYTES`,
        but for a single larger message.

        Raises:
            LogError: the log cannot be read.
        """
        ...

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic, in order; none where nothing was ever appended."""
        ...

    def end_offsets(self) -> dict[Partition, int]:
        """For every partition of every topic, the offset that its next message will get."""
        ...

    def acknowledge(self, partition: Partition, offset: int) -> None:
        """Tell the log how far a partition is processed. Advisory, for lag tools: the ledger is the checkpoint."""
        ...

    def close(self) -> None:
        """Release the log; calling it twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
