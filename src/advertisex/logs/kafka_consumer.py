"""How the consumer of a group is set up."""

import logging

from confluent_kafka import Consumer, KafkaError, TopicPartition

from advertisex.logs.kafka_client import ClientErrors, Cluster
from advertisex.logs.kafka_fetch import FIXED

_DEBUG = logging.getLogger(__name__)
_SESSION_MS = 20_000
_FIXED = FIXED | {
    "partition.assignment.strategy": "cooperative-sticky",  # the reader takes and gives partitions one by one
}
_USUAL = {
    "fetch.wait.max.ms": 100,  # after this the broker says that there is no more
    # librdkafka's own thread sends the heartbeats: a process that is killed loses its partitions after this
    "session.timeout.ms": _SESSION_MS,
    # we poll only when the pipeline takes a batch, and a store may make it wait: so long, and then
    # its partitions go to another process (and come back when it polls again)
    "max.poll.interval.ms": 600_000,
    "topic.metadata.refresh.interval.ms": 60_000,  # new partitions are noticed after this
    "queued.max.messages.kbytes": 32 * 1024,
    "queued.min.messages": 50_000,
    "fetch.queue.backoff.ms": 20,  # a second by default, in which we would have emptied the queue long ago
}


def group_consumer(cluster: Cluster, client_errors: ClientErrors) -> Consumer:
    """A consumer that is a member of the group of the settings.

    Raises:
        ConfigurationError: `kafka.client` of the settings is wrong.
    """
    session = int(cluster.settings.client.get("session.timeout.ms", _SESSION_MS))
    usual = _USUAL | {"heartbeat.interval.ms": min(3000, session // 3)}
    fixed = _FIXED | {"group.id": cluster.settings.group, "on_commit": _committed}
    return cluster.client(Consumer, client_errors, usual, fixed)


def _committed(error: KafkaError | None, partitions: list[TopicPartition]) -> None:
    if error is not None:
        _DEBUG.debug("offsets of the group not committed: %s", error)
