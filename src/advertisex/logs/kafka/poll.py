"""Polls a Kafka consumer and collects the messages of each partition as columns.

A message object of the client takes a few hundred bytes besides its payload. So messages are converted a few thousand
at a time, and only the columns are kept.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Message

from advertisex.logs.append_time import append_times
from advertisex.logs.contract import READ_BYTES
from advertisex.model import Batch, Partition, Span

_POLL_SECONDS = 0.1
#: Messages requested at once. Small enough to check `READ_BYTES` often, and to free objects while they are in cache.
_STEP = 2_000


@dataclass(slots=True)
class Columns:
    """The messages of one partition, in order."""

    offsets: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    untimed: int = 0

    def add(self, messages: Sequence[Message]) -> int:
        """Append messages to the columns; returns the size of their payloads in bytes."""
        now = time.time_ns() // 1000
        payloads = [value or b"" for value in map(Message.value, messages)]  # None: a tombstone
        self.offsets += map(Message.offset, messages)  # type: ignore[arg-type]  # a consumed message has an offset
        self.payloads += payloads
        stamps = list(map(Message.timestamp, messages))
        by_server = bool(stamps) and all(kind == TIMESTAMP_LOG_APPEND_TIME for kind, _ in stamps)
        times, untimed = append_times([millis * 1000 for _, millis in stamps], now, by_server=by_server)
        self.times += times
        self.untimed += untimed
        return sum(map(len, payloads))

    def batch(self, span: Span, lost: int) -> Batch:
        """The columns as a batch; `lost` offsets of its span are below the start of the log."""
        return Batch(span, self.offsets, self.payloads, self.times, lost=lost, untimed=self.untimed)


@dataclass(slots=True)
class Polled:
    """The result of a poll: messages, ends of partitions, errors.

    Attributes:
        columns: messages by partition.
        ended: partitions that were read to the end, and their end offsets.
        errors: all other errors.
        count: number of messages and events (ends, errors).
        size: payload size in bytes.
    """

    columns: dict[Partition, Columns] = field(default_factory=dict)
    ended: dict[Partition, int] = field(default_factory=dict)
    errors: list[KafkaError] = field(default_factory=list)
    count: int = 0
    size: int = 0

    def add(self, messages: Sequence[Message]) -> None:
        """Add what the consumer returned."""
        self.count += len(messages)
        runs: dict[tuple[str, int], list[Message]] = {}
        for message in messages:
            error = message.error()
            partition_key = (message.topic() or "", message.partition() or 0)
            if error is None:
                run = runs.get(partition_key)
                if run is None:
                    run = runs[partition_key] = []
                    self.ended.pop(Partition(*partition_key), None)  # the end has moved on
                run.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._add_columns(runs)
                runs.clear()
                self.ended[Partition(*partition_key)] = message.offset() or 0
            else:
                self.errors.append(error)
        self._add_columns(runs)

    def _add_columns(self, runs: dict[tuple[str, int], list[Message]]) -> None:
        for partition_key, messages in runs.items():
            columns = self.columns.setdefault(Partition(*partition_key), Columns())
            self.size += columns.add(messages)


def take(consumer: Consumer, limit: int) -> Polled:
    """Poll up to `limit` messages, or about `READ_BYTES`; waits briefly if nothing has arrived."""
    taken = Polled()
    while taken.count < limit and taken.size < READ_BYTES:
        wanted = min(limit - taken.count, _STEP)
        messages = consumer.consume(wanted, _POLL_SECONDS)
        taken.add(messages)
        if len(messages) < wanted:
            break
    return taken
