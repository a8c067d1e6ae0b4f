"""The topics of a Kafka cluster: which there are, how far they reach, and how one is made."""

import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs do not export what it documents
    AdminClient,
    ClusterMetadata,
    NewTopic,
    OffsetSpec,
)

from advertisex.batches import Partition
from advertisex.errors import ConfigurationError, LogError
from advertisex.findings import Finding
from advertisex.logs.kafka_client import WAIT_SECONDS, ClientErrors, Cluster, is_hopeless, kafka_error

_LOOK_SECONDS = 0.05
_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
#: What Kafka says of partitions or replicas that it does not make, and the setting that asks for them.
_REFUSED = {
    KafkaError.INVALID_PARTITIONS: "lower kafka.partitions",
    KafkaError.POLICY_VIOLATION: "lower kafka.partitions or kafka.replication",
    KafkaError.INVALID_REPLICATION_FACTOR: "lower kafka.replication to the number of brokers",
}
#: The id of a topic, where the brokers give none (before Kafka 2.8).
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
#: By then a broker has refused a login or a certificate.
_SOON_SECONDS = 1.0
#: What brokers answer of a topic that was made, deleted, or given another leader a moment ago.
_SETTLING = frozenset({
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
})  # fmt: skip


class KafkaTopics:
    """Asks a cluster about its topics.

    Raises:
        ConfigurationError: the settings of the client are wrong.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._client_errors = ClientErrors()
        self._admin = cluster.client(AdminClient, self._client_errors, {}, {})

    def partitions(self) -> dict[str, list[int]]:
        """The partitions of every topic; those of Kafka's own topics are left out."""
        metadata = self._metadata()
        return {topic: sorted(found.partitions) for topic, found in sorted(metadata.topics.items()) if _is_ours(topic)}

    def ends(self) -> dict[Partition, int]:
        """For every partition of every topic, the offset that its next message will get.

        Raises:
            LogError: it cannot be known, also not after waiting a while for brokers that are still being told.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return self._ends_now()
            except KafkaException as error:
                reason = kafka_error(error)
                if reason is None or reason.code() not in _SETTLING or time.monotonic() > deadline:
                    raise self._failure("cannot read where the topics end", error) from error
            time.sleep(_LOOK_SECONDS)

    def identities(self, topics: Collection[str]) -> dict[str, str]:
        """See `EventLog.identities`."""
        found: dict[str, str] = {}
        if not topics:
            return found
        with self._explained("cannot ask which topics there are"):
            answers = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=WAIT_SECONDS)
            for topic, answer in answers.items():
                try:
                    found[topic] = str(answer.result().topic_id)
                except KafkaException as error:
                    reason = kafka_error(error)
                    if reason is None or reason.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
        return {topic: known for topic, known in found.items() if known != _NO_ID}

    def require(self, topics: Collection[str], *, create: bool) -> list[str]:
        """Make sure that topics are there.

        Args:
            topics: that are wanted.
            create: whether to make those that are not.

        Returns:
            Those that are there; without `create`, a feed that nobody has sent yet is no mistake.

        Raises:
            ConfigurationError: one has a name that Kafka does not take, or the partitions or replicas of the settings
                cannot be made.
            LogError: none is there, or one cannot be made.
        """
        for topic in topics:
            _check_name(topic)
        there = self.partitions().keys()
        missing = sorted(set(topics) - there)
        if create:
            for topic in missing:
                self._make(topic)
            return list(topics)
        if len(missing) == len(set(topics)):
            raise LogError(
                f"there is no topic {' and no topic '.join(missing)}",
                where=self._cluster.brokers,
                hint="run `advertisex ingest` first, which makes it, or check the topic's name in the settings",
            )
        return [topic for topic in topics if topic in there]

    def inspect(self, topics: Collection[str]) -> list[Finding]:
        """See `EventLog.inspect`."""
        metadata = self._metadata()
        ends = self.ends()
        brokers = ", ".join(f"{broker.host}:{broker.port}" for _, broker in sorted(metadata.brokers.items()))
        findings = [Finding("log", True, f"Kafka cluster {metadata.cluster_id}, brokers {brokers}")]
        for topic in topics:
            what = f"topic {topic}"
            if topic not in metadata.topics:
                findings.append(Finding(what, True, "is not there yet; `advertisex ingest` makes it"))
                continue
            found = metadata.topics[topic].partitions.values()
            reach = sum(end for partition, end in ends.items() if partition.topic == topic)
            lacking = sum(len(p.isrs) < len(p.replicas) or p.leader < 0 for p in found)
            says = f"{len(found)} partitions, ends at {reach:,} in sum"
            if lacking:
                says += f", {lacking} of them lack a leader or a replica"
            findings.append(Finding(what, not lacking, says, "bring the missing brokers back"))
        return findings

    def _ends_now(self) -> dict[Partition, int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {
            TopicPartition(topic, partition): latest
            for topic, partitions in self.partitions().items()
            for partition in partitions
        }
        if not asked:
            return {}
        answers = self._admin.list_offsets(asked, request_timeout=WAIT_SECONDS)
        return {Partition(p.topic, p.partition): answer.result().offset for p, answer in answers.items()}

    def _make(self, topic: str) -> None:
        settings = self._cluster.settings
        wanted = NewTopic(topic, num_partitions=settings.partitions, replication_factor=settings.replication)
        try:
            self._admin.create_topics([wanted], request_timeout=WAIT_SECONDS)[topic].result()
        except (KafkaException, ValueError) as error:
            reason = kafka_error(error)
            if reason is not None and reason.code() in _REFUSED:
                raise ConfigurationError(
                    f"cannot make a topic of {settings.partitions:,} partitions, each with {settings.replication:,} "
                    f"replicas: {reason.str()}",
                    where=f"{topic} at {self._cluster.brokers}",
                    hint=f"{_REFUSED[reason.code()]} in the settings",
                ) from error
            if reason is None or reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was quicker
                raise self._cluster.failure("cannot make the topic", error, self._client_errors, where=topic) from error
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._has_leaders(topic):  # it is made at the controller first, and at the brokers a little later
            if time.monotonic() > deadline:
                raise LogError(
                    "the new topic has no leader yet",
                    where=f"{topic} at {self._cluster.brokers}",
                    hint="see whether all brokers run, then run this again",
                )
            time.sleep(_LOOK_SECONDS)

    def _has_leaders(self, topic: str) -> bool:
        found = self._metadata().topics.get(topic)
        partitions = found.partitions.values() if found else ()
        return bool(partitions) and all(partition.leader >= 0 for partition in partitions)

    def _metadata(self) -> ClusterMetadata:
        # of all topics: where one is named, a broker may make it on the spot, with partitions of its own choice
        self._admin.poll(0)  # this is where the client tells its trouble: what it had until now is over
        self._client_errors.last = None
        with self._explained("cannot reach Kafka"):
            try:
                return self._admin.list_topics(timeout=_SOON_SECONDS)
            except KafkaException:
                self._admin.poll(0)
                if self._client_errors.last is not None and is_hopeless(self._client_errors.last):
                    raise
            return self._admin.list_topics(timeout=WAIT_SECONDS)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self._failure(what, error) from error

    def _failure(self, what: str, error: KafkaException) -> LogError:
        self._admin.poll(0)  # this is where the client tells its trouble
        return self._cluster.failure(what, error, self._client_errors)


def _check_name(topic: str) -> None:
    if not _NAME.fullmatch(topic):
        raise ConfigurationError(
            f"Kafka has no topics of the name {topic!r}",
            hint="name topics in the settings with at most 249 letters (a-z), digits, dots, dashes and underscores",
        )


def _is_ours(topic: str) -> bool:
    return not topic.startswith("__")
