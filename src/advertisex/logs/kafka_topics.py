"""The topics of a Kafka cluster: which there are, how far they reach, and how one is made."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs do not export what it documents
    AdminClient,
    ClusterMetadata,
    NewTopic,
    OffsetSpec,
)

from advertisex.batches import Partition
from advertisex.errors import LogError
from advertisex.findings import Finding
from advertisex.logs.kafka_client import WAIT_SECONDS, Cluster, Trouble, kafka_error

_LOOK_SECONDS = 0.05


class KafkaTopics:
    """Asks a cluster about its topics.

    Raises:
        ConfigurationError: the settings of the client are wrong.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._trouble = Trouble()
        with self._explained("cannot be a client of Kafka"):
            self._admin = AdminClient(cluster.configuration(self._trouble, {}, {}))

    def partitions(self) -> dict[str, list[int]]:
        """The partitions of every topic; those of Kafka's own topics are left out."""
        metadata = self._metadata()
        return {topic: sorted(found.partitions) for topic, found in sorted(metadata.topics.items()) if _is_ours(topic)}

    def ends(self) -> dict[Partition, int]:
        """For every partition of every topic, the offset that its next message will get."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {
            TopicPartition(topic, partition): latest
            for topic, partitions in self.partitions().items()
            for partition in partitions
        }
        if not asked:
            return {}
        with self._explained("cannot read where the topics end"):
            answers = self._admin.list_offsets(asked, request_timeout=WAIT_SECONDS)
            return {Partition(p.topic, p.partition): answer.result().offset for p, answer in answers.items()}

    def require(self, topics: Collection[str], *, create: bool) -> list[str]:
        """Make sure that topics are there.

        Args:
            topics: that are wanted.
            create: whether to make those that are not.

        Returns:
            Those that are there; without `create`, a feed that nobody has sent yet is no mistake.

        Raises:
            LogError: none is there, or one cannot be made.
        """
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
                mend="run `advertisex ingest` first, which makes it, or check the topic's name in the settings",
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

    def _make(self, topic: str) -> None:
        settings = self._cluster.settings
        wanted = NewTopic(topic, num_partitions=settings.partitions, replication_factor=settings.replication)
        try:
            self._admin.create_topics([wanted], request_timeout=WAIT_SECONDS)[topic].result()
        except (KafkaException, ValueError) as error:
            reason = kafka_error(error)
            if reason is None or reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was quicker
                raise self._cluster.failure("cannot make the topic", error, self._trouble, where=topic) from error
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._has_leaders(topic):  # it is made at the controller first, and at the brokers a little later
            if time.monotonic() > deadline:
                raise LogError(
                    "the new topic has no leader yet",
                    where=f"{topic} at {self._cluster.brokers}",
                    mend="see whether all brokers run, then run this again",
                )
            time.sleep(_LOOK_SECONDS)

    def _has_leaders(self, topic: str) -> bool:
        found = self._metadata().topics.get(topic)
        partitions = found.partitions.values() if found else ()
        return bool(partitions) and all(partition.leader >= 0 for partition in partitions)

    def _metadata(self) -> ClusterMetadata:
        # of all topics: where one is named, a broker may make it on the spot, with partitions of its own choice
        with self._explained("cannot reach Kafka"):
            return self._admin.list_topics(timeout=WAIT_SECONDS)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            admin = getattr(self, "_admin", None)
            if admin is not None:
                admin.poll(0)  # this is where the client tells its trouble
            raise self._cluster.failure(what, error, self._trouble) from error


def _is_ours(topic: str) -> bool:
    return not topic.startswith("__")
