"""Lists, inspects and creates the topics of a Kafka cluster."""

import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs do not export what it documents
    AdminClient,
    ClusterMetadata,
    NewTopic,
    OffsetSpec,
)

from advertisex.errors import ConfigurationError, LogError
from advertisex.logs.kafka.client import ClientErrors, Cluster, is_permanent, kafka_error
from advertisex.logs.kafka.compaction import Compaction
from advertisex.logs.kafka.holders import Holder, holders_of
from advertisex.logs.kafka.offsets import SETTLE_SECONDS, offsets_of
from advertisex.logs.kafka.reasons import reason_text
from advertisex.logs.kafka.topic_settings import described
from advertisex.model import Finding, Partition

_SETTINGS_FAILED = "cannot read the settings of the topics"
_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
#: Hints for Kafka's errors about the number of partitions or replicas.
_INVALID = {
    KafkaError.INVALID_PARTITIONS: ("partitions", "lower kafka.partitions"),
    KafkaError.POLICY_VIOLATION: ("partitions", "lower kafka.partitions or kafka.replication"),
    KafkaError.INVALID_REPLICATION_FACTOR: ("replication", "lower kafka.replication to the number of brokers"),
}
#: The topic id that brokers without topic ids return (before Kafka 2.8).
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
#: Enough for a broker to reject a login or a certificate.
_FIRST_TRY_SECONDS = 1.0


class KafkaTopics:
    """The topics of a cluster.

    Raises:
        ConfigurationError: the client settings are invalid.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._client_errors = ClientErrors()
        self._admin = cluster.client(AdminClient, self._client_errors, {}, {})
        self._compaction = Compaction(cluster, self._admin)

    def partitions(self) -> dict[str, list[int]]:
        """The partitions of every topic, without Kafka's internal topics."""
        metadata = self._metadata()
        return {topic: sorted(found.partitions) for topic, found in sorted(metadata.topics.items()) if _is_ours(topic)}

    def ends(self, topics: Collection[str] | None = None) -> dict[Partition, int]:
        """The last stable offset of every partition of the topics: messages up to here can be read.

        Args:
            topics: the topics, by default all. Somebody else's topic may have no leader, which is an error.

        Raises:
            LogError: the offsets cannot be read, even after waiting for the brokers' metadata to settle.
        """
        return self._offsets(OffsetSpec.latest(), topics)  # type: ignore[no-untyped-call]

    def unstable(self, topics: Collection[str] | None = None) -> dict[Partition, tuple[int, int]]:
        """The offsets of each partition that open transactions hold back, the first and the end: see `ends`."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        appended = self._offsets(latest, topics, IsolationLevel.READ_UNCOMMITTED)
        stable = self.ends(topics)  # afterwards: the difference must not count what was appended in between
        return {p: (stable[p], end) for p, end in appended.items() if stable.get(p, end) < end}

    def starts(self, topics: Collection[str] | None = None) -> dict[Partition, int]:
        """The first offset that retention has left in every partition of the topics: see `ends`."""
        return self._offsets(OffsetSpec.earliest(), topics)  # type: ignore[no-untyped-call]

    def holders(self, partitions: Collection[Partition]) -> dict[Partition, Holder] | None:
        """The group members that these partitions are assigned to; None if Kafka does not say it."""
        return holders_of(self._admin, self._cluster, partitions)

    def identities(self, topics: Collection[str]) -> dict[str, str]:
        """The topic id of each topic that exists."""
        found: dict[str, str] = {}
        if not topics:
            return found
        with self._explained("cannot list the topics"):
            answers = self._admin.describe_topics(
                TopicCollection(list(topics)), request_timeout=self._cluster.timeouts.request
            )
            for topic, answer in answers.items():
                try:
                    found[topic] = str(answer.result().topic_id)
                except KafkaException as error:
                    reason = kafka_error(error)
                    if reason is None or reason.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
        return {topic: known for topic, known in found.items() if known != _NO_ID}

    def require(self, topics: Collection[str], *, create: bool) -> list[str]:
        """Ensure that topics exist.

        Args:
            topics: the required topics.
            create: whether to create missing ones.

        Returns:
            The topics that exist. Without `create`, some may be missing: a feed may not have been ingested yet.

        Raises:
            ConfigurationError: a topic name is invalid, or Kafka rejects the number of partitions or replicas in the
                settings.
            LogError: no topic exists, one cannot be created, or one is compacted.
        """
        for topic in topics:
            _check_name(topic)
        existing = self.partitions().keys()
        missing = sorted(set(topics) - existing)
        with self._explained(_SETTINGS_FAILED):
            self._compaction.reject([topic for topic in topics if topic in existing])
        if create:
            for topic in missing:
                self._create(topic)
            return list(topics)
        if len(missing) == len(set(topics)):
            raise LogError(
                f"topic not found: {', '.join(missing)}",
                where=self._cluster.brokers,
                hint="run `advertisex ingest` first, which creates it, or check the topic name in the settings",
            )
        return [topic for topic in topics if topic in existing]

    def message_bytes(self, topic: str) -> int | None:
        """The `max.message.bytes` of a topic; None if the user may not know it.

        Raises:
            LogError: it cannot be read.
        """
        with self._explained(_SETTINGS_FAILED):
            found = described(self._cluster, self._admin, [topic])[topic]
        return int(found["max.message.bytes"]) if found else None

    def inspect(self, topics: Collection[str]) -> list[Finding]:
        """Check the brokers and these topics."""
        metadata = self._metadata()
        led = [topic for topic in topics if topic in metadata.topics and _has_leaders(metadata, topic)]
        ends = self.ends(led)
        brokers = ", ".join(f"{broker.host}:{broker.port}" for _, broker in sorted(metadata.brokers.items()))
        findings = [Finding("log", True, f"Kafka cluster {metadata.cluster_id}, brokers {brokers}")]
        for topic in topics:
            what = f"topic {topic}"
            if topic not in metadata.topics:
                findings.append(Finding(what, True, "does not exist yet; `advertisex ingest` creates it"))
                continue
            found = metadata.topics[topic].partitions.values()
            detail = f"{len(found)} partition{'s' if len(found) != 1 else ''}"
            if topic in led:
                end_sum = sum(end for partition, end in ends.items() if partition.topic == topic)
                detail += f", end offsets total {end_sum:,}"
            degraded = sum(len(p.isrs) < len(p.replicas) or p.leader < 0 for p in found)
            if degraded:
                detail += f", {degraded} without a leader or with replicas out of sync"
            findings.append(Finding(what, not degraded, detail, "restart the missing brokers"))
        with self._explained(_SETTINGS_FAILED):
            return findings + self._compaction.findings([topic for topic in topics if topic in metadata.topics])

    def _offsets(
        self,
        which: OffsetSpec,
        topics: Collection[str] | None,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[Partition, int]:
        def wanted() -> list[Partition]:
            found = self.partitions()
            return [Partition(topic, n) for topic in found if topics is None or topic in topics for n in found[topic]]

        with self._explained("cannot read the offsets of the topics"):
            return offsets_of(self._admin, self._cluster, wanted, which, isolation)

    def _create(self, topic: str) -> None:
        settings = self._cluster.settings
        wanted = NewTopic(topic, num_partitions=settings.partitions, replication_factor=settings.replication)
        try:
            self._admin.create_topics([wanted], request_timeout=self._cluster.timeouts.request)[topic].result()
        except (KafkaException, ValueError) as error:
            reason = kafka_error(error)
            if reason is not None and reason.code() in _INVALID:
                key, hint = _INVALID[reason.code()]
                raise ConfigurationError(
                    f"cannot create a topic with {settings.partitions:,} partitions and a replication factor of "
                    f"{settings.replication:,}: {reason_text(reason)}",
                    where=f"{topic} at {self._cluster.brokers}",
                    hint=f"{hint} in the settings",
                    setting=("kafka", key),
                ) from error
            if reason is None or reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:  # by another process
                raise self._cluster.failure(
                    "cannot create the topic", error, self._client_errors, where=topic
                ) from error
        deadline = time.monotonic() + self._cluster.timeouts.request
        while not _has_leaders(self._metadata(), topic):  # the brokers know it a little later
            if time.monotonic() > deadline:
                raise LogError(
                    "the new topic has no leader yet",
                    where=f"{topic} at {self._cluster.brokers}",
                    hint="check that all brokers are running, then run this again",
                )
            time.sleep(SETTLE_SECONDS)

    def _metadata(self) -> ClusterMetadata:
        # of all topics: a request for one topic may create it, with the broker's default partitions
        self._admin.poll(0)  # runs `error_cb`; errors so far are outdated
        self._client_errors.last = None
        with self._explained("cannot reach Kafka"):
            try:
                return self._admin.list_topics(timeout=_FIRST_TRY_SECONDS)
            except KafkaException:
                self._admin.poll(0)
                if self._client_errors.last is not None and is_permanent(self._client_errors.last):
                    raise
            return self._admin.list_topics(timeout=self._cluster.timeouts.request)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self._failure(what, error) from error

    def _failure(self, what: str, error: KafkaException) -> LogError:
        self._admin.poll(0)  # runs `error_cb`
        return self._cluster.failure(what, error, self._client_errors)


def _has_leaders(metadata: ClusterMetadata, topic: str) -> bool:
    found = metadata.topics.get(topic)
    partitions = found.partitions.values() if found else ()
    return bool(partitions) and all(partition.leader >= 0 for partition in partitions)


def _check_name(topic: str) -> None:
    if not _NAME.fullmatch(topic):
        raise ConfigurationError(
            f"invalid Kafka topic name {topic!r}",
            hint="topic names in the settings may have at most 249 letters (a-z), digits, dots, dashes and underscores",
        )


def _is_ours(topic: str) -> bool:
    return not topic.startswith("__")
