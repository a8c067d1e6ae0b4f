"""Asks for the offsets of partitions."""

import time
from collections.abc import Callable, Collection

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # not in its stubs

from advertisex.logs.kafka.client import Cluster, kafka_error
from advertisex.model import Partition

SETTLE_SECONDS = 0.05
#: Errors for a topic that was just created or deleted, or whose leader just changed.
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


def offsets_of(
    admin: AdminClient,
    cluster: Cluster,
    partitions: Callable[[], Collection[Partition]],
    which: OffsetSpec,
    isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
) -> dict[Partition, int]:
    """Return an offset of each partition.

    Args:
        admin: the client.
        cluster: the Kafka cluster.
        partitions: lists the partitions; called again for each attempt.
        which: the first or the last offset.
        isolation: whether the last offset is the last stable one.

    Raises:
        KafkaException: they cannot be read, even after waiting for the brokers' metadata to settle.
    """
    deadline = time.monotonic() + cluster.timeouts.request
    while True:
        requested = {TopicPartition(*partition): which for partition in partitions()}
        if not requested:
            return {}
        answers = admin.list_offsets(requested, isolation_level=isolation, request_timeout=cluster.timeouts.request)
        try:
            return {Partition(p.topic, p.partition): answer.result().offset for p, answer in answers.items()}
        except KafkaException as error:
            reason = kafka_error(error)
            if reason is None or reason.code() not in _SETTLING or time.monotonic() > deadline:
                raise
        time.sleep(SETTLE_SECONDS)
