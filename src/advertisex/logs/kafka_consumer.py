"""Configures the consumer group member."""

import logging

from confluent_kafka import Consumer, KafkaError, TopicPartition

from advertisex.logs.kafka_client import ClientErrors, Cluster
from advertisex.logs.kafka_fetch import FIXED

_DEBUG = logging.getLogger(__name__)
_SESSION_MS = 20_000
_FIXED = FIXED | {
    "partition.assignment.strategy": "cooperative-sticky",  # the reader assigns incrementally
}
_DEFAULTS = {
    "fetch.wait.max.ms": 100,  # then the broker reports the end of the partition
    # a killed process loses its partitions after this; librdkafka's own thread sends the heartbeats
    "session.timeout.ms": _SESSION_MS,
    # the pipeline polls once per batch, and a slow store may delay it. After this its partitions move to another
    # process; they may return when it polls again
    "max.poll.interval.ms": 600_000,
    "topic.metadata.refresh.interval.ms": 60_000,  # how soon new partitions are noticed
    "queued.max.messages.kbytes": 32 * 1024,
    "queued.min.messages": 50_000,
    "fetch.queue.backoff.ms": 20,  # the default of one second would leave the queue empty
}


def group_consumer(cluster: Cluster, client_errors: ClientErrors) -> Consumer:
    """Create a consumer that joins the group of the setting `kafka.group`.

    Raises:
        ConfigurationError: the setting `kafka.client` is invalid.
    """
    session = int(cluster.settings.client.get("session.timeout.ms", _SESSION_MS))
    defaults = _DEFAULTS | {"heartbeat.interval.ms": min(3000, session // 3)}
    fixed = _FIXED | {"group.id": cluster.settings.group, "on_commit": _committed}
    return cluster.client(Consumer, client_errors, defaults, fixed)


def _committed(error: KafkaError | None, partitions: list[TopicPartition]) -> None:
    if error is not None:
        _DEBUG.debug("could not commit the group's offsets: %s", error)
