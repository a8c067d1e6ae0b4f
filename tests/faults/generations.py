"""Counts the rebalances of a consumer group, from what Kafka itself has written about it."""

import struct
import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

_TOPIC = "__consumer_offsets"
#: Version of the keys of this topic whose values describe a group of the classic protocol.
_GROUP_METADATA = 2
_SECONDS = 60.0


def generations(bootstrap: str, group: str) -> int:
    """Return the newest generation of a group: it grows by one with each rebalance; 0 if there is none.

    Source: the schemas GroupMetadataKey and GroupMetadataValue of Apache Kafka: a version (int16), then the group
    (a string), or the protocol type (a string) and the generation (int32).
    """
    return max(
        (_generation(value) for key, value in _records(bootstrap) if _group_of(key) == group and value), default=0
    )


def _group_of(key: bytes) -> str:
    (version,) = struct.unpack_from(">h", key)
    return _string(key, 2)[0] if version == _GROUP_METADATA else ""


def _generation(value: bytes) -> int:
    _, end = _string(value, 2)
    return int(struct.unpack_from(">i", value, end)[0])


def _string(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", data, at)
    return data[at + 2 : at + 2 + length].decode(), at + 2 + length


def _records(bootstrap: str) -> Iterator[tuple[bytes, bytes]]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = list(consumer.list_topics(_TOPIC, timeout=30).topics[_TOPIC].partitions)
        consumer.assign([TopicPartition(_TOPIC, partition, OFFSET_BEGINNING) for partition in partitions])
        left = set(partitions)
        deadline = time.monotonic() + _SECONDS
        while left and time.monotonic() < deadline:
            for message in consumer.consume(500, timeout=5):
                if error := message.error():
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    left.discard(message.partition())
                elif key := message.key():
                    yield key, message.value() or b""
    finally:
        consumer.close()
    if left:
        raise TimeoutError(f"{_TOPIC} was not read within {_SECONDS:g} s")
