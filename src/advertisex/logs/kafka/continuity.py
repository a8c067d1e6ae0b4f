"""Checks that a Kafka partition continues at the ledger's position."""

from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from advertisex.errors import LogError
from advertisex.logs.kafka.client import Cluster
from advertisex.logs.lost import warn_of_lost
from advertisex.model import Partition

_HINT = "restore the original log, or use a new store for this one"


def check_continuity(
    consumer: Consumer, cluster: Cluster, partition: Partition, position: int, offsets: Sequence[int]
) -> int:
    """Find out why offsets do not continue at `position`; log a warning if retention deleted messages.

    Offsets below the start of the log are lost. Other gaps are due to transactions or compaction.

    Args:
        consumer: the consumer of the partition.
        cluster: the Kafka cluster.
        partition: the partition to check.
        position: the next offset to process.
        offsets: offsets of the messages received, or the end offset; not contiguous with `position`.

    Returns:
        How many offsets between `position` and the last of `offsets` are lost.

    Raises:
        LogError: the log ends before the position.
        KafkaException: Kafka does not say where the log starts.
    """
    low, high = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=cluster.timeouts.request)
    where = f"{partition.topic}/{partition.partition}"
    if offsets[0] < position:
        raise LogError(
            f"the ledger is at offset {position}, but the log ends at {high}: this is not the log that was processed",
            where=f"{where} at {cluster.brokers}",
            hint=_HINT,
        )
    first = min(low, offsets[-1])
    lost = max(0, first - position - sum(offset < first for offset in offsets))
    if lost:
        warn_of_lost(partition, lost)
    return lost


def topic_recreated(topic: str, cluster: Cluster) -> LogError:
    """The error for a topic that was deleted and recreated while it was read."""
    return LogError(
        "the topic was deleted and recreated while it was read: this is not the log that was processed",
        where=f"{topic} at {cluster.brokers}",
        hint=_HINT,
    )
