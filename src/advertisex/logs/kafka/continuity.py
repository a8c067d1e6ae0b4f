"""Checks that a Kafka partition continues at the ledger's position."""

import logging
from collections.abc import Sequence
from itertools import pairwise

from confluent_kafka import Consumer, KafkaException, TopicPartition

from advertisex.errors import LogError
from advertisex.logs.kafka.client import Cluster
from advertisex.logs.lost import warn_of_lost
from advertisex.model import Partition

_DEBUG = logging.getLogger(__name__)
_HINT = "restore the original log, or use a new store for this one"


def check_continuity(
    consumer: Consumer, cluster: Cluster, partition: Partition, position: int, offsets: Sequence[int]
) -> None:
    """Find out why offsets do not continue at `position`; log a warning if retention deleted messages.

    Args:
        consumer: the consumer of the partition.
        cluster: the Kafka cluster.
        partition: the partition to check.
        position: the next offset to process.
        offsets: offsets of the messages received, or the end offset; not contiguous with `position`.

    Raises:
        LogError: the log ends before the position.
    """
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=cluster.timeouts.request)
    except KafkaException as error:  # not fatal: only the number of lost messages stays unknown
        _DEBUG.debug("cannot query the offsets of %s: %s", partition, error)
        low, high = 0, offsets[0]
    where = f"{partition.topic}/{partition.partition}"
    if offsets[0] < position:
        raise LogError(
            f"the ledger is at offset {position}, but the log ends at {high}: this is not the log that was processed",
            where=f"{where} at {cluster.brokers}",
            hint=_HINT,
        )
    if low > position:  # otherwise the gap is due to transactions or compaction
        missing, following = next((a, b) for a, b in pairwise([position - 1, *offsets]) if b > a + 1)
        warn_of_lost(partition, min(low, following) - missing - 1)


def topic_recreated(topic: str, cluster: Cluster) -> LogError:
    """The error for a topic that was deleted and recreated while it was read."""
    return LogError(
        "the topic was deleted and recreated while it was read: this is not the log that was processed",
        where=f"{topic} at {cluster.brokers}",
        hint=_HINT,
    )
