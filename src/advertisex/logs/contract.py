"""What an event log promises. Every log passes `tests/contracts/test_logs.py`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from advertisex.batches import Batch, Partition, Position, Span
from advertisex.findings import Finding

#: A read stops after this many bytes of payload, so that memory stays bounded whatever the messages weigh.
READ_BYTES = 64 * 2**20


#: Asks the ledger where each partition stands; one that it does not name starts at 0.
Positions = Callable[[], Mapping[Partition, int]]


class LogReader(Protocol):
    """This process's share of the log, as batches that follow each other without a gap in each partition.

    The span of a batch carries the identity of the log that its topic is.

    A share may change while batches are under way: a partition is lost to another process, or another one has moved
    its ledger on. What was read before is then no longer current, and must not be committed. `poll` is called
    by one thread; the other methods by any.
    """

    def poll(self) -> list[Batch]:
        """What has come, at most one batch for each partition; none where nothing came for a moment.

        Raises:
            LogError: the log cannot be read, or ends before the position of the ledger.
        """
        ...

    @property
    def caught_up(self) -> bool:
        """Whether the whole share has been read to its end, and the ledger stands at the end of all other partitions.

        Where the ledger stands still, another process may have ended without a word: then the share alone counts.
        """
        ...

    def is_current(self, span: Span) -> bool:
        """Whether the share still holds the partition under the claim with which the span was read."""
        ...

    def acknowledge(self, span: Span) -> None:
        """Tell the log how far a partition is processed. Advisory, for lag tools: the ledger is the checkpoint."""
        ...

    def rewind(self, partition: Partition) -> None:
        """Go back to (or on to) where the ledger stands, after another process has moved it."""
        ...

    def close(self) -> None:
        """Give up the share; calling it twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class EventLog(Protocol):
    """Messages of named topics, each in one partition at a rising offset.

    Order holds within a partition. Offsets rise, and gaps are allowed. Any number of processes may append and
    read at the same time.

    Attributes:
        erasable: whether messages can be overwritten.
    """

    erasable: bool

    def append(self, topic: str, messages: Sequence[bytes]) -> None:
        """Append messages in order; all of them are durable when this returns.

        An embedded log takes all of them or none. In Kafka, those that were acknowledged before an error stay, and the
        error counts the others; appending everything again is harmless, since identity is the content.

        Raises:
            LogError: not all of the messages are known to be in the log.
        """
        ...

    def append_each(self, topic: str, messages: Sequence[bytes]) -> list[Position]:
        """Append messages as `append` does, and tell where each of them went.

        For a few messages that have to be found again: a log may have to ask its server about every single one.

        Returns:
            The position of each message, in their order.

        Raises:
            LogError: not all of the messages are known to be in the log.
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

    def erase(self, topic: str, partition: int, offsets: Sequence[int]) -> None:
        """Put `TOMBSTONE` in the place of messages; nothing of them remains in an embedded log when this returns.

        Raises:
            LogError: the log is not `erasable`, cannot be written, or what was there remains in it for now; the same
                can be repeated.
        """
        ...

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic, in order; none where nothing was ever appended."""
        ...

    def end_offsets(self) -> dict[Partition, int]:
        """For every partition of every topic, the offset that its next message will get."""
        ...

    def identities(self, topics: Collection[str]) -> dict[str, str]:
        """Which log each topic is: another one once the topic, or the whole log, was deleted and made anew.

        Offsets mean something in their own log only. A topic that is not there, or a log that has no identity, is
        left out.

        Raises:
            LogError: the log cannot be asked.
        """
        ...

    def reader(self, topics: Collection[str], positions: Positions, limit: int) -> "LogReader":
        """Start to read this process's share of the topics, from where the ledger stands.

        Args:
            topics: whose partitions are read.
            positions: asks the ledger; called whenever partitions are claimed.
            limit: messages in a batch, at most.

        Raises:
            LogError: a topic or the log is not there.
        """
        ...

    def size(self) -> int | None:
        """Bytes that it takes on this machine's disk; None where it is not here."""
        ...

    def inspect(self, topics: Collection[str]) -> list[Finding]:
        """What an engineer wants to know of the log: whether it answers, its version, its topics, what is wrong."""
        ...

    def close(self) -> None:
        """Release the log; calling it twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
