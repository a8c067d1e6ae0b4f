"""What a Kafka consumer hands over, sorted by partition, as columns.

A message of the client is an object with a topic, headers and times of its own: some hundred bytes. So they are taken
apart a few thousand at a time, and only the columns are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, Message

from advertisex.batches import Batch, Partition, Span
from advertisex.logs.contract import READ_BYTES

_POLL_SECONDS = 0.1
#: Messages asked for at once: what they weigh is seen afterwards, and what is not kept is freed while it is in cache.
_STEP = 2_000


@dataclass(slots=True)
class Columns:
    """Messages of one partition, in order."""

    offsets: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, messages: Sequence[Message]) -> int:
        """Take messages apart, and say what they weigh."""
        payloads = [value or b"" for value in map(Message.value, messages)]  # None: a tombstone
        self.offsets += map(Message.offset, messages)  # type: ignore[arg-type]  # a message that was read has one
        self.payloads += payloads
        self.times += [max(0, at) * 1000 for _, at in map(Message.timestamp, messages)]  # from milliseconds
        return sum(map(len, payloads))

    def batch(self, span: Span) -> Batch:
        """The batch that they are."""
        return Batch(span, self.offsets, self.payloads, self.times)


@dataclass(slots=True)
class Polled:
    """Messages, and what is said among them.

    Attributes:
        columns: messages of each partition.
        ended: partitions that were read to their end, and where that is.
        errors: all others.
        count: messages and what is said among them, together.
        weight: bytes of the messages.
    """

    columns: dict[Partition, Columns] = field(default_factory=dict)
    ended: dict[Partition, int] = field(default_factory=dict)
    errors: list[KafkaError] = field(default_factory=list)
    count: int = 0
    weight: int = 0

    def add(self, came: Sequence[Message]) -> None:
        """Take apart what came next."""
        self.count += len(came)
        runs: dict[tuple[str, int], list[Message]] = {}
        for message in came:
            error = message.error()
            at = (message.topic() or "", message.partition() or 0)
            if error is None:
                run = runs.get(at)
                if run is None:
                    run = runs[at] = []
                    self.ended.pop(Partition(*at), None)  # the end has moved on
                run.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._take_apart(runs)
                runs.clear()
                self.ended[Partition(*at)] = message.offset() or 0
            else:
                self.errors.append(error)
        self._take_apart(runs)

    def _take_apart(self, runs: dict[tuple[str, int], list[Message]]) -> None:
        for at, messages in runs.items():
            columns = self.columns.setdefault(Partition(*at), Columns())
            self.weight += columns.add(messages)


def take(consumer: Consumer, limit: int) -> Polled:
    """What has come, up to the limit or about `READ_BYTES`; waits a moment when there is nothing."""
    taken = Polled()
    while taken.count < limit and taken.weight < READ_BYTES:
        wanted = min(limit - taken.count, _STEP)
        came = consumer.consume(wanted, _POLL_SECONDS)
        taken.add(came)
        if len(came) < wanted:
            break
    return taken
