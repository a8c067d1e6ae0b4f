"""The event log contract. Every log passes `advertisex.testing.contracts.EventLogContract`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from advertisex.limits import Limit
from advertisex.model import Batch, Finding, Origin, Partition, Position, SourceLine, Span

READ_BYTES: int = Limit(
    32 * 2**20,
    "bytes",
    of="the messages that are read, and processed, together",
    beyond="they follow in the next batch",
)

#: Changes of a log's state, by key; None removes the key.
State = Mapping[str, bytes | None]


class Limits(NamedTuple):
    """How much a log keeps. Messages that are not processed are kept whatever the limits.

    Attributes:
        before: messages appended before this time are removed, in microseconds since the epoch (UTC); None keeps them.
        size: the oldest messages are removed while the log is larger, in bytes; None keeps them.
    """

    before: int | None = None
    size: int | None = None


class HeldBack(NamedTuple):
    """Messages that the log does not give yet, because a transaction of a producer is open.

    Attributes:
        offsets: number of offsets, which is at least the number of messages.
        since: when the first of them was appended, in microseconds since the epoch (UTC); None if that is unknown.
    """

    offsets: int
    since: int | None


class Positions(Protocol):
    """Returns the ledger's next offset of each partition; a partition that is missing starts at 0."""

    def __call__(self) -> Mapping[Partition, int]:
        """Return them."""
        ...


class LogReader(Protocol):
    """Reads the partitions assigned to this process, as contiguous batches within each partition.

    The span of a batch carries the identity of the log that its topic belongs to. Where retention removed messages
    before they were read, the reader continues with the first one that is kept: the span includes the gap, `lost`
    counts it, and a warning says so. If none is kept, the batch is empty. Damaged messages are an error, or lost, too.

    The assignment may change while batches are in flight: a partition moves to another process, or another process
    advances its ledger row. Batches read before such a change are no longer current and must not be committed. Call
    `poll` from one thread only; the other methods are thread-safe.
    """

    def poll(self) -> list[Batch]:
        """Return new messages, at most one batch per partition; an empty list if none arrived within a short wait.

        Raises:
            LogDamaged: the next messages of a partition are damaged.
            LogError: the log cannot be read, or ends before the ledger's position.
        """
        ...

    @property
    def caught_up(self) -> bool:
        """Whether all assigned partitions have been read to the end, and the ledger has reached the end of the others.

        Raises:
            LogError: the ledger does not advance: another application holds partitions.
        """
        ...

    def is_current(self, span: Span) -> bool:
        """Whether the partition is still assigned, in the epoch in which the span was read."""
        ...

    def acknowledge(self, span: Span) -> None:
        """Report to the log how far a partition is processed. For lag tools only: the ledger is the checkpoint."""
        ...

    def rewind(self, partition: Partition) -> None:
        """Resume from the ledger's position, after another process has moved it."""
        ...

    def close(self) -> None:
        """Release all partitions. Idempotent."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EventLog(Protocol):
    """Messages by topic and partition, each at an offset.

    Messages of a partition are ordered. Offsets increase and may have gaps. Any number of processes may append and
    read concurrently. Retention removes the oldest messages of a partition; offsets are never used again, even if it
    removes all of them.

    Attributes:
        erasable: whether messages can be overwritten.
        prunable: whether `prune` can remove messages; otherwise the server of the log does.
    """

    erasable: bool
    prunable: bool

    def append(
        self, topic: str, messages: Sequence[bytes], *, origins: Sequence[Origin] = (), state: State | None = None
    ) -> None:
        """Append messages in order, and change the state; all of it is durable when this returns.

        An embedded log writes everything or nothing. In Kafka, messages acknowledged before an error remain, and the
        error counts the others; the state changes after the last acknowledgement. Appending all of them again is safe,
        since an event's identity is its content.

        Args:
            topic: topic of the messages.
            messages: the messages; they may be empty if there is a state.
            origins: where the messages come from, in their order; messages after the last origin have none.
            state: changes of what a source needs to know to continue after these messages.

        Raises:
            LogError: at least one message was not confirmed to be in the log.
        """
        ...

    def append_each(self, topic: str, messages: Sequence[bytes], *, origins: Sequence[Origin] = ()) -> list[Position]:
        """Append messages like `append`, and return the position of each.

        Meant for small numbers of messages: a log may need a delivery report for every one of them.

        Args:
            topic: topic of the messages.
            messages: the messages.
            origins: where the messages come from, see `append`.

        Returns:
            The positions, in the order of the messages.

        Raises:
            LogError: at least one message was not confirmed to be in the log.
        """
        ...

    def message_bytes(self, topic: str) -> int | None:
        """The size up to which the topic takes a message, the name of its source included; None if any size is taken.

        Raises:
            LogError: the topic is missing and cannot be created.
        """
        ...

    def state(self, prefix: str) -> dict[str, bytes]:
        """The state: the values of the keys with this prefix, as of the last `append` that changed each.

        State is void once the topic with which it was appended was deleted, or the log.

        Raises:
            LogError: the state cannot be read.
        """
        ...

    def origin(self, position: Position) -> SourceLine | None:
        """Where the message at a position comes from; None if that is unknown, or the log has no message there.

        Raises:
            LogError: the log cannot be read.
        """
        ...

    def lock(self, key: str) -> bool:
        """Lock a key until this log is closed, or its process ends. Return False if another process holds the lock.

        The followers of one source use it: only one of them may read the source.

        Raises:
            LogError: the lock cannot be written.
        """
        ...

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Batch:
        """Read at most `limit` messages from `offset` on; at least one, unless the end is reached.

        The batch's span starts at `offset` and ends where the next read continues. If the messages from `offset` on
        were removed, the batch begins with the first one that is kept, and `lost` counts those removed. Payloads are
        limited to `READ_BYTES` in total, except that a single larger message is returned whole.

        Raises:
            LogDamaged: the message at `offset` is damaged; a read at its `end` continues after the damage.
            LogError: the log cannot be read.
        """
        ...

    def erase(self, topic: str, partition: int, offsets: Sequence[int]) -> None:
        """Overwrite messages with `TOMBSTONE`. When this returns, an embedded log has no trace of them.

        Raises:
            LogDamaged: some of the messages are damaged.
            LogError: the log is not `erasable`, cannot be written, or still contains some of the erased bytes; the
                call can be repeated.
        """
        ...

    def prune(self, processed: Mapping[Partition, int], limits: Limits) -> int:
        """Remove some of the oldest processed messages beyond the limits, in one short step.

        Appended batches are removed whole, from the start of a partition on, and with them their origins; the state
        stays. No trace of them outlives the next `erase`.

        Args:
            processed: the offset up to which each partition is processed; other partitions are kept. A partition that
                ends before it is kept too: the offset belongs to another log.
            limits: what is kept.

        Returns:
            The number of messages removed; 0 if none is left to remove.

        Raises:
            LogError: the log is not `prunable`, or cannot be written. Safe to repeat.
        """
        ...

    def overdue(self, processed: Mapping[Partition, int], limits: Limits) -> bool:
        """Whether the messages that are not processed alone exceed the limits: processing is behind.

        Raises:
            LogError: the log is not `prunable`, or cannot be read.
        """
        ...

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic, sorted; empty if nothing was ever appended to it."""
        ...

    def start_offsets(self, topics: Collection[str] | None = None) -> dict[Partition, int]:
        """The offset from which the log has every message of each partition; its end offset if all were removed.

        Args:
            topics: the topics that are asked for, those that do not exist are left out; None for all of the log. One
                that is broken is an error, so ask for no more than needed: a Kafka cluster has topics of others.

        Raises:
            LogError: the log cannot be read.
        """
        ...

    def end_offsets(self, topics: Collection[str] | None = None) -> dict[Partition, int]:
        """The offset up to which messages can be read, of every partition of these topics: see `start_offsets`."""
        ...

    def held_back(self, topics: Collection[str] | None = None) -> dict[Partition, HeldBack]:
        """What open transactions hold back after the end offsets; only partitions where that is something."""
        ...

    def identities(self, topics: Collection[str]) -> dict[str, str]:
        """The identity of the log of each topic. It changes if the topic or the whole log is deleted and recreated.

        Offsets are only meaningful within one log. Topics that do not exist, or have no identity, are left out.

        Raises:
            LogError: the log cannot be read.
        """
        ...

    def append_ids(self, ends: Mapping[Partition, int]) -> dict[Partition, str]:
        """What identifies the append of the message before an offset, in each partition.

        It shows that the log is not an older copy of itself to which other messages were appended: both have one
        identity, and use the same offsets. Erasing a message does not change it. Partitions are left out if the message
        was removed, or is damaged. A log that no copy can replace gives nothing.

        Args:
            ends: an offset of each partition.

        Raises:
            LogError: the log cannot be read.
        """
        ...

    def reader(
        self, topics: Collection[str], positions: Positions, limit: int, *, skip_damaged: bool = False
    ) -> LogReader:
        """Start reading this process's partitions of the topics, from the ledger's positions.

        Args:
            topics: topics to read.
            positions: reads the ledger; called whenever partitions are assigned.
            limit: maximum messages per batch.
            skip_damaged: whether damaged messages count as lost, see `LogReader`; otherwise they are an error.

        Raises:
            LogError: a topic or the log does not exist.
        """
        ...

    def size(self) -> int | None:
        """Size on the local disk in bytes; None for a remote log."""
        ...

    def inspect(self, topics: Collection[str]) -> list[Finding]:
        """Check the log: whether it is reachable, its version, its topics, and any problems."""
        ...

    def verify(
        self, topics: Collection[str], on_messages: Callable[[int], None], lost: Collection[Span] = ()
    ) -> list[Finding]:
        """Read everything that the log holds, and check that it is as it was appended.

        Args:
            topics: topics of the feeds.
            on_messages: called with the number of messages read since its last call.
            lost: spans that the ledger counts as lost: what is damaged there was reported and skipped before.

        Raises:
            LogError: the log cannot be read.
        """
        ...

    def close(self) -> None:
        """Close the log. Idempotent."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
