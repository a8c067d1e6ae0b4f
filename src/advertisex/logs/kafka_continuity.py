"""Whether a partition of Kafka goes on where the ledger stands."""

import logging
from collections.abc import Sequence
from itertools import pairwise

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from advertisex.batches import Partition
from advertisex.errors import LogError
from advertisex.logs.kafka_client import WAIT_SECONDS, Cluster

_LOG = structlog.get_logger(__name__)
_DEBUG = logging.getLogger(__name__)
_HINT = "bring the old log back, or begin a new store for this one"


def check_continuity(
    consumer: Consumer, cluster: Cluster, partition: Partition, position: int, offsets: Sequence[int]
) -> None:
    """Say what is missing between where we stand and what came.

    Args:
        consumer: that reads it.
        cluster: where.
        partition: of the log.
        position: where we stand.
        offsets: of messages that came, or of the partition's end; they do not simply follow.

    Raises:
        LogError: the log ends before the position.
    """
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=WAIT_SECONDS)
    except KafkaException as error:  # brokers come and go; this only says how much is gone
        _DEBUG.debug("cannot ask how far %s reaches: %s", partition, error)
        low, high = 0, offsets[0]
    where = f"{partition.topic}/{partition.partition}"
    if offsets[0] < position:
        raise LogError(
            f"the ledger stands at {position}, but the log ends at {high}: it is not the log that was processed",
            where=f"{where} at {cluster.brokers}",
            hint=_HINT,
        )
    if low > position:  # else it is a gap that transactions or compaction leave
        missing, following = next((a, b) for a, b in pairwise([position - 1, *offsets]) if b > a + 1)
        gone = min(low, following) - missing - 1
        _LOG.warning("messages are gone: retention deleted them unread", partition=where, count=gone)


def made_anew(topic: str, cluster: Cluster) -> LogError:
    """The error of a topic that is no longer the one that was begun."""
    return LogError(
        "the topic was deleted and made anew while it was read: it is not the log that was processed",
        where=f"{topic} at {cluster.brokers}",
        hint=_HINT,
    )
