"""Event log in Kafka."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from advertisex.errors import LogError
from advertisex.logs.contract import EventLog, HeldBack, Limits, Positions, State
from advertisex.logs.held_back import transaction_findings
from advertisex.logs.kafka.client import Cluster, Timeouts
from advertisex.logs.kafka.fetch import KafkaFetcher
from advertisex.logs.kafka.producer import KafkaAppender
from advertisex.logs.kafka.reader import KafkaReader
from advertisex.logs.kafka.state import KafkaState
from advertisex.logs.kafka.topics import KafkaTopics
from advertisex.model import Batch, Finding, Origin, Partition, Position, SourceLine, Span
from advertisex.settings.model import KafkaSettings

#: Messages of one read of `verify`.
_VERIFY_MESSAGES = 50_000


class KafkaLog(EventLog):
    """An event log in Kafka.

    Messages are spread over partitions round robin: an event's identity is its content, so the partition does not
    matter.

    Args:
        url: `kafka://host:port[,host:port...]`.
        settings: Kafka settings.
        create: whether `reader` creates missing topics; `append` always does.
        folder: folder for the state of the sources; None keeps it in memory, until the log is closed.
        timeouts: how long to wait for the cluster.

    Raises:
        ConfigurationError: the URL has no valid brokers, or the client settings are invalid.
    """

    erasable = False
    prunable = False

    def __init__(
        self,
        url: str,
        settings: KafkaSettings = KafkaSettings(),
        *,
        create: bool = True,
        folder: Path | None = None,
        timeouts: Timeouts = Timeouts(),
    ) -> None:
        self._cluster = Cluster.of(url, settings, timeouts)
        self._create = create
        self._topics = KafkaTopics(self._cluster)
        self._appender = KafkaAppender(self._cluster, self._topics)
        self._locator = KafkaAppender(self._cluster, self._topics, locate=True)
        self._fetcher = KafkaFetcher(self._cluster)
        self._uncommitted = KafkaFetcher(self._cluster, "read_uncommitted")
        self._state = KafkaState(folder, self._topics.identities)

    def append(
        self, topic: str, messages: Sequence[bytes], *, origins: Sequence[Origin] = (), state: State | None = None
    ) -> None:
        self._appender.append(topic, messages, origins)
        if state:
            self._state.change(topic, state)

    def append_each(self, topic: str, messages: Sequence[bytes], *, origins: Sequence[Origin] = ()) -> list[Position]:
        return self._locator.append(topic, messages, origins)

    def message_bytes(self, topic: str) -> int | None:
        return self._appender.message_bytes(topic)

    def state(self, prefix: str) -> dict[str, bytes]:
        return self._state.read(prefix)

    def origin(self, position: Position) -> SourceLine | None:
        return self._fetcher.origin(position)

    def lock(self, key: str) -> bool:
        return self._state.lock(key)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Batch:
        return self._fetcher.read(topic, partition, offset, limit)

    def erase(self, topic: str, partition: int, offsets: Sequence[int]) -> None:
        """Raise LogError: Kafka cannot overwrite messages; they expire by the topic's retention."""
        raise LogError(
            "cannot erase messages from a Kafka topic",
            where=f"{topic}/{partition}",
            hint="set retention.ms of the topic to how long messages may be kept",
        )

    def prune(self, processed: Mapping[Partition, int], limits: Limits) -> int:
        """Raise LogError: Kafka removes messages itself."""
        raise _not_prunable(self._cluster)

    def overdue(self, processed: Mapping[Partition, int], limits: Limits) -> bool:
        """Raise LogError: Kafka removes messages itself."""
        raise _not_prunable(self._cluster)

    def partitions(self, topic: str) -> list[int]:
        return self._topics.partitions().get(topic, [])

    def start_offsets(self, topics: Collection[str] | None = None) -> dict[Partition, int]:
        return self._topics.starts(topics)

    def end_offsets(self, topics: Collection[str] | None = None) -> dict[Partition, int]:
        return self._topics.ends(topics)

    def held_back(self, topics: Collection[str] | None = None) -> dict[Partition, HeldBack]:
        found = {}
        for partition, (first, end) in self._topics.unstable(topics).items():
            times = self._uncommitted.read(*partition, first, 1).ingested_at
            found[partition] = HeldBack(end - first, times[0] if times else None)
        return found

    def identities(self, topics: Collection[str]) -> dict[str, str]:
        # the topic ids of Kafka
        return self._topics.identities(topics)

    def append_ids(self, ends: Mapping[Partition, int]) -> dict[Partition, str]:
        """Return nothing: a topic has another id after it was recreated, and brokers replicate it otherwise."""
        return {}

    def reader(
        self, topics: Collection[str], positions: Positions, limit: int, *, skip_damaged: bool = False
    ) -> KafkaReader:
        existing = self._topics.require(topics, create=self._create)
        return KafkaReader(self._cluster, self._topics, existing, positions, limit)

    def size(self) -> None:
        """Return None: the data is on the brokers, which export their own metrics."""

    def verify(
        self, topics: Collection[str], on_messages: Callable[[int], None], lost: Collection[Span] = ()
    ) -> list[Finding]:
        """Read every message of the topics; the brokers keep checksums of their own."""
        count = 0
        for of, end in self.end_offsets(topics).items():
            at = 0
            while at < end and (batch := self.read(*of, at, _VERIFY_MESSAGES)).span.end > at:
                count, at = count + len(batch), batch.span.end
                on_messages(len(batch))
        return [Finding("log messages", True, f"{count:,} can be read")]

    def inspect(self, topics: Collection[str]) -> list[Finding]:
        findings = self._topics.inspect(topics)
        try:
            return findings + transaction_findings(self.held_back(topics), time.time_ns() // 1000)
        except LogError as error:  # such as for a topic without a leader, which has a finding
            return [*findings, Finding("transactions", False, f"{error.what} ({error.where})", error.hint)]

    def close(self) -> None:
        self._appender.close()
        self._locator.close()
        self._fetcher.close()
        self._uncommitted.close()
        self._state.close()


def _not_prunable(cluster: Cluster) -> LogError:
    return LogError(
        "cannot remove messages from a Kafka topic",
        where=cluster.brokers,
        hint="set retention.ms or retention.bytes of the topic",
    )
