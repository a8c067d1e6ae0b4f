"""Reads single batches from Kafka at any offset, outside the consumer group."""

import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from advertisex.logs.contract import READ_BYTES
from advertisex.logs.kafka.client import ClientErrors, Cluster, kafka_error
from advertisex.logs.kafka.origins import origin_in
from advertisex.logs.kafka.poll import Columns
from advertisex.model import Batch, Position, SourceLine, Span

_POLL_SECONDS = 0.5
_ABSENT = frozenset({KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART})

_DEFAULTS = {"fetch.wait.max.ms": 10}  # the next read waits for the fetch request that this one leaves pending
#: Properties that all our consumers need: the ledger is the checkpoint, and aborted transactions are not read.
FIXED: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "allow.auto.create.topics": False,
}


class KafkaFetcher:
    """Reads batches from given offsets.

    Args:
        cluster: the Kafka cluster.
        isolation: which messages are read, as in the property `isolation.level`.
    """

    def __init__(self, cluster: Cluster, isolation: str = FIXED["isolation.level"]) -> None:
        self._cluster, self._isolation = cluster, isolation
        self._client_errors = ClientErrors()
        self._consumer: Consumer | None = None

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Batch:
        """Read at most `limit` messages from `offset` on."""
        messages, end, lost = self._messages(topic, partition, offset, limit)
        columns = Columns()
        columns.add(messages)
        return columns.batch(Span(topic, partition, offset, end), lost)

    def origin(self, position: Position) -> SourceLine | None:
        """Return the origin of one message; None if it has none, or was deleted."""
        messages, *_ = self._messages(*position, 1)
        return next((origin_in(message) for message in messages if message.offset() == position.offset), None)

    def close(self) -> None:
        """Close the consumer. Idempotent."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _messages(self, topic: str, partition: int, offset: int, limit: int) -> tuple[list[Message], int, int]:
        """Read messages; also returns the offset where the next read continues, and how many retention deleted."""
        where = f"{topic}/{partition}/{offset}"
        try:
            consumer = self._connected()
            ends = self._ends(consumer, topic, partition)
            if ends is None:
                return [], offset, 0
            low, high = ends
            start = max(offset, low)  # messages deleted by retention are a gap
            if start >= high:
                return [], start, start - offset
            consumer.assign([TopicPartition(topic, partition, start)])
            try:
                return *self._take(consumer, start, high, limit), start - offset
            finally:
                consumer.unassign()
        except KafkaException as error:
            if _is_absent(error):  # deleted meanwhile
                return [], offset, 0
            if self._consumer is not None:
                self._consumer.poll(0)  # runs `error_cb`
            raise self._cluster.failure("cannot read the event log", error, self._client_errors, where=where) from error

    def _ends(self, consumer: Consumer, topic: str, partition: int) -> tuple[int, int] | None:
        """The first offset and the end of a partition; None if it does not exist.

        The client remembers for a moment that a topic was absent, so the brokers are asked before this is believed.
        """
        timeout = self._cluster.timeouts.request
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout)
        except KafkaException as error:
            if not _is_absent(error):
                raise
        known = consumer.list_topics(topic, timeout=timeout).topics.get(topic)
        if known is None or partition not in known.partitions:
            return None
        return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout)

    def _connected(self) -> Consumer:
        if self._consumer is None:
            fixed = {**FIXED, "isolation.level": self._isolation, "group.id": self._cluster.settings.group}
            self._consumer = self._cluster.client(Consumer, self._client_errors, _DEFAULTS, fixed)
        return self._consumer

    def _take(self, consumer: Consumer, start: int, high: int, limit: int) -> tuple[list[Message], int]:
        """Read messages; also returns the offset where the next read continues."""
        taken: list[Message] = []
        room = READ_BYTES
        deadline = time.monotonic() + self._cluster.timeouts.request
        while len(taken) < limit and start < high:
            message = consumer.poll(_POLL_SECONDS)
            if message is None:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
                continue
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return taken, max(start, message.offset() or 0)
                raise KafkaException(error)
            room -= len(message)
            if room < 0 and taken:
                break
            taken.append(message)
            start = (message.offset() or 0) + 1
            deadline = time.monotonic() + self._cluster.timeouts.request
        return taken, start


def _is_absent(error: KafkaException) -> bool:
    reason = kafka_error(error)
    return reason is not None and reason.code() in _ABSENT
