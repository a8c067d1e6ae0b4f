"""Event log in Kafka."""

from collections.abc import Collection, Sequence

from advertisex.errors import LogError
from advertisex.logs.contract import EventLog, Positions
from advertisex.logs.kafka.client import Cluster, Timeouts
from advertisex.logs.kafka.fetch import KafkaFetcher
from advertisex.logs.kafka.producer import KafkaAppender
from advertisex.logs.kafka.reader import KafkaReader
from advertisex.logs.kafka.topics import KafkaTopics
from advertisex.model import Batch, Finding, Partition, Position
from advertisex.settings.model import KafkaSettings


class KafkaLog(EventLog):
    """An event log in Kafka.

    Messages are spread over partitions round robin: an event's identity is its content, so the partition does not
    matter.

    Args:
        url: `kafka://host:port[,host:port...]`.
        settings: Kafka settings.
        create: whether `reader` creates missing topics; `append` always does.
        timeouts: how long to wait for the cluster.

    Raises:
        ConfigurationError: the URL has no valid brokers, or the client settings are invalid.
    """

    erasable = False

    def __init__(
        self,
        url: str,
        settings: KafkaSettings = KafkaSettings(),
        *,
        create: bool = True,
        timeouts: Timeouts = Timeouts(),
    ) -> None:
        self._cluster = Cluster.of(url, settings, timeouts)
        self._create = create
        self._topics = KafkaTopics(self._cluster)
        self._appender = KafkaAppender(self._cluster, self._topics)
        self._locator = KafkaAppender(self._cluster, self._topics, locate=True)
        self._fetcher = KafkaFetcher(self._cluster)

    def append(self, topic: str, messages: Sequence[bytes]) -> None:
        self._appender.append(topic, messages)

    def append_each(self, topic: str, messages: Sequence[bytes]) -> list[Position]:
        return self._locator.append(topic, messages)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Batch:
        return self._fetcher.read(topic, partition, offset, limit)

    def erase(self, topic: str, partition: int, offsets: Sequence[int]) -> None:
        """Raise LogError: Kafka cannot overwrite messages; they expire by the topic's retention."""
        raise LogError(
            "cannot erase messages from a Kafka topic",
            where=f"{topic}/{partition}",
            hint="set retention.ms of the topic to how long messages may be kept",
        )

    def partitions(self, topic: str) -> list[int]:
        return self._topics.partitions().get(topic, [])

    def end_offsets(self) -> dict[Partition, int]:
        return self._topics.ends()

    def identities(self, topics: Collection[str]) -> dict[str, str]:
        # the topic ids of Kafka
        return self._topics.identities(topics)

    def reader(self, topics: Collection[str], positions: Positions, limit: int) -> KafkaReader:
        existing = self._topics.require(topics, create=self._create)
        return KafkaReader(self._cluster, self._topics, existing, positions, limit)

    def size(self) -> None:
        """Return None: the data is on the brokers, which export their own metrics."""

    def inspect(self, topics: Collection[str]) -> list[Finding]:
        return self._topics.inspect(topics)

    def close(self) -> None:
        self._appender.close()
        self._locator.close()
        self._fetcher.close()
