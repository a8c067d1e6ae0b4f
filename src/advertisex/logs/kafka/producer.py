"""Appends messages to Kafka with an idempotent producer and a bounded queue."""

import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from advertisex.errors import LogError
from advertisex.logs.kafka.client import ClientErrors, Cluster
from advertisex.logs.kafka.origins import Headers, headers_of
from advertisex.logs.kafka.topics import KafkaTopics
from advertisex.model import Origin, Position

#: Number of messages that go to one partition before the next gets its turn. Equal to the producer's batch size, so
#: that they are compressed and sent together.
_CHUNK = 10_000
#: Bytes of messages that are sent together, unless the topic takes less: the brokers would reject them all.
_BATCH_BYTES = 1_000_000
_METADATA_SECONDS = 60.0
#: The most that is around a message and the name of its source when a message is alone: 61 bytes of the batch, the
#: lengths and times of the message, and its line.
_FRAME_BYTES = 128
_QUEUE_FULL_SECONDS = 0.01

_DEFAULTS = {
    "compression.type": "lz4",  # measured: 400,000 messages/s appended; zstd 256,000, no compression 379,000
    "linger.ms": 5,
    "batch.num.messages": _CHUNK,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 128 * 1024,
    "message.timeout.ms": 120_000,  # long enough for a broker restart
}
_FIXED = {
    "enable.idempotence": True,
    "acks": "all",
    "message.max.bytes": 1_000_000_000,  # leave the limit to the broker
}


class _Topic(NamedTuple):
    """What is known of a topic: its partitions, and its `max.message.bytes`, if the user may know it."""

    partitions: list[int]
    message_bytes: int | None


@dataclass(slots=True)
class _Reports:
    """Delivery reports of one append.

    Attributes:
        failures: errors, each with the size of its message in bytes.
        offsets: offsets of acknowledged messages by partition, in the order in which they were sent.
    """

    failures: list[tuple[KafkaError, int]] = field(default_factory=list)
    offsets: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def note(self, error: KafkaError | None, message: Message) -> None:
        """Record the delivery report of one message."""
        if error is not None:
            self.failures.append((error, len(message.value() or b"")))
            return
        partition, offset = message.partition(), message.offset()
        if partition is None or offset is None or offset < 0:  # appended, but at an unknown offset
            self.failures.append((KafkaError(KafkaError._NO_OFFSET), len(message.value() or b"")))
        else:
            self.offsets[partition].append(offset)


class KafkaAppender:
    """Appends messages and waits for the brokers' acknowledgement.

    Args:
        cluster: the Kafka cluster.
        topics: creates missing topics.
        locate: whether to record the offset of each message. This needs a delivery report for every message: 2.3 µs a
            message instead of 1.0 µs.
    """

    def __init__(self, cluster: Cluster, topics: KafkaTopics, *, locate: bool = False) -> None:
        self._cluster = cluster
        self._topics = topics
        # with error reports only, a message without a report after a flush was acknowledged
        self._fixed = _FIXED | {"delivery.report.only.error": not locate}
        self._client_errors = ClientErrors()
        self._producer: Producer | None = None
        self._batch_bytes = _BATCH_BYTES
        self._known: dict[str, tuple[_Topic, float]] = {}
        self._turns = count(random.SystemRandom().randrange(1_000_000))  # start at a random partition

    def append(self, topic: str, messages: Sequence[bytes], origins: Sequence[Origin] = ()) -> list[Position]:
        """Append messages; returns their positions, or none unless `locate` is set."""
        if not messages:
            return []
        partitions, most = self._known_topic(topic)
        producer = self._connected(_BATCH_BYTES if most is None else min(most, _BATCH_BYTES))
        reports = _Reports()
        headers = headers_of(origins) if origins else None
        turns: list[tuple[int, int]] = []
        sent = 0
        try:
            for start in range(0, len(messages), _CHUNK):
                if reports.failures:  # the append has failed: do not send the remaining messages
                    break
                chunk = messages[start : start + _CHUNK]
                partition = partitions[next(self._turns) % len(partitions)]
                turns.append((partition, len(chunk)))
                if headers is None:
                    _send(producer, topic, partition, [{"value": message} for message in chunk], reports)
                else:
                    for message, header in zip(chunk, headers, strict=False):
                        _send_one(producer, topic, partition, message, header, reports)
                    producer.poll(0)
                sent += len(chunk)
            while producer.flush(1.0):  # in steps, so that signals are handled
                pass
        except KafkaException as error:
            self._discard_producer(topic)
            raise self._cluster.failure(
                "cannot append to the event log", error, self._client_errors, where=topic
            ) from error
        if reports.failures:
            self._discard_producer(topic)
            raise self._not_appended(topic, reports.failures, len(messages), sent)
        offsets = {partition: iter(of) for partition, of in reports.offsets.items()}
        return [
            Position(topic, partition, offset)
            for partition, many in turns
            if partition in offsets
            for offset in islice(offsets[partition], many)
        ]

    def message_bytes(self, topic: str) -> int | None:
        """The size up to which the brokers take a message with the name of its source; None if they do not say it."""
        most = self._known_topic(topic).message_bytes
        return None if most is None else most - _FRAME_BYTES

    def close(self) -> None:
        """Close the producer, after trying to send what an interrupted append left in its queue."""
        if self._producer is not None:
            self._producer.flush(self._cluster.timeouts.request)
            self._discard_producer()

    def _connected(self, batch_bytes: int) -> Producer:
        """The producer; its batches have at most so many bytes, or one message."""
        if self._producer is not None and batch_bytes < self._batch_bytes:
            self._discard_producer()  # its queue is empty between appends
        if self._producer is None:
            self._client_errors, self._batch_bytes = ClientErrors(), batch_bytes
            defaults = _DEFAULTS | {"batch.size": batch_bytes}
            self._producer = self._cluster.client(Producer, self._client_errors, defaults, self._fixed)
        return self._producer

    def _known_topic(self, topic: str) -> _Topic:
        known, until = self._known.get(topic, (_Topic([], None), 0.0))
        if time.monotonic() < until:
            return known
        try:
            self._topics.require([topic], create=True)
            known = _Topic(self._topics.partitions()[topic], self._topics.message_bytes(topic))
        except LogError:
            if not known.partitions:
                raise
            # the topic existed a minute ago: let the producer retry, which waits longer than this check
        self._known[topic] = (known, time.monotonic() + _METADATA_SECONDS)
        return known

    def _discard_producer(self, topic: str = "") -> None:
        """Drop the producer: after an error it may reject everything. The next append creates another."""
        producer, self._producer = self._producer, None
        self._known.pop(topic, None)
        if producer is not None:
            producer.purge()
            producer.flush(self._cluster.timeouts.request)

    def _not_appended(self, topic: str, failures: list[tuple[KafkaError, int]], total: int, sent: int) -> LogError:
        error, _ = failures[0]
        what = f"{len(failures) + total - sent:,} of {total:,} messages were not acknowledged"
        too_large = [size for error, size in failures if error.code() == KafkaError.MSG_SIZE_TOO_LARGE]
        if too_large:
            what += f"; one of {max(too_large):,} bytes exceeds the broker's size limit"
        return self._cluster.failure(what, error, self._client_errors, where=topic)


def _send_one(
    producer: Producer, topic: str, partition: int, message: bytes, headers: Headers | None, reports: _Reports
) -> None:
    """Pass a message with headers to the producer, which cannot take these in batches; wait while its queue is full."""
    while True:
        was_empty = not len(producer)
        try:
            producer.produce(topic, message, partition=partition, headers=headers, on_delivery=reports.note)
        except BufferError:  # the queue is full
            if was_empty:
                reports.failures.append((KafkaError(KafkaError._QUEUE_FULL), len(message)))
                return
            producer.poll(_QUEUE_FULL_SECONDS)
        except KafkaException as error:
            reports.failures.append((error.args[0], len(message)))
            return
        else:
            return


def _send(producer: Producer, topic: str, partition: int, chunk: list[dict[str, Any]], reports: _Reports) -> None:
    """Pass messages to the producer, waiting whenever its queue is full."""
    while chunk:
        was_empty = not len(producer)
        producer.produce_batch(topic, chunk, partition=partition, on_delivery=reports.note)
        failed = [message for message in chunk if "_error" in message]
        # once the queue is full, all further messages are rejected too, so the order is kept
        chunk = [
            m for m in failed if m["_error"].code() == KafkaError._QUEUE_FULL and not (was_empty and m is chunk[0])
        ]
        waiting = {id(message) for message in chunk}
        reports.failures += [(m["_error"], len(m["value"])) for m in failed if id(m) not in waiting]
        for message in chunk:
            del message["_error"]
        producer.poll(_QUEUE_FULL_SECONDS if chunk else 0)
