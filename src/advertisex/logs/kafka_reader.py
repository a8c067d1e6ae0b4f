"""Reading Kafka as a member of a consumer group: the group deals out partitions, the ledger says where to start.

Rebalancing is cooperative: a partition that stays here goes on, and what was read of it stays current; only one that
moves is released and claimed anew. The group's committed offsets are never read, only written, for lag tools.

All that moves the place of a partition (an assignment, a rewind) goes one way: the new place is noted in `_moves`, and
the next `poll` seeks it before it reads. Messages of a partition that is noted there are dropped, since they may be
from the old place. So a batch always begins where its span does.
"""

import logging
import time
from collections.abc import Collection
from threading import Lock
from types import TracebackType
from typing import Self

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from advertisex.batches import Batch, Partition, Span
from advertisex.errors import LogError
from advertisex.logs.contract import Positions
from advertisex.logs.kafka_arrivals import Columns, Polled, take
from advertisex.logs.kafka_client import ClientErrors, Cluster, is_hopeless
from advertisex.logs.kafka_consumer import group_consumer
from advertisex.logs.kafka_continuity import check_continuity, made_anew
from advertisex.logs.kafka_rest import RemainingPartitions
from advertisex.logs.kafka_topics import KafkaTopics
from advertisex.logs.share import Assignment

_LOG = structlog.get_logger(__name__)
_DEBUG = logging.getLogger(__name__)
#: A topic that is made anew while it is read is noticed after this: its consumer goes on in it without a word.
_LOOK_SECONDS = 1.0


class KafkaReader:
    """See `LogReader`.

    Args:
        cluster: where.
        known: tells which log each topic is.
        topics: they exist.
        positions: asks the ledger.
        limit: messages that a poll returns, at most.
    """

    def __init__(
        self, cluster: Cluster, known: KafkaTopics, topics: Collection[str], positions: Positions, limit: int
    ) -> None:
        self._cluster = cluster
        self._known = known
        self._ask = positions
        self._limit = limit
        self._assignment = Assignment()
        self._remaining = RemainingPartitions(topics, known.ends, positions)
        self._lock = Lock()  # over the share and `_moves` together
        self._moves: dict[Partition, int] = {}
        self._done: dict[Partition, int] = {}
        self._ended: set[Partition] = set()
        self._is_assigned = False  # whether the group has dealt out partitions, be it none to us
        self._looked_at = 0.0
        self._failing = False
        self._closed = False
        self._client_errors = ClientErrors()
        self._consumer = group_consumer(cluster, self._client_errors)
        try:
            self._consumer.subscribe(
                list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
        except KafkaException as error:
            raise cluster.failure("cannot be a consumer of Kafka", error) from error

    def poll(self) -> list[Batch]:
        """See `LogReader.poll`."""
        self._move()
        self._commit()
        try:
            came = take(self._consumer, self._limit)
            if came.columns:
                self._look_at_topics()
            self._note(came)
            batches = [batch for at, columns in came.columns.items() if (batch := self._batch(at, columns))]
        except KafkaException as error:
            raise self._cluster.failure("cannot read the event log", error, self._client_errors) from error
        self._check_client_errors()
        return batches

    @property
    def caught_up(self) -> bool:
        """See `LogReader.caught_up`."""
        with self._lock:
            held = set(self._assignment.held())
            if not self._is_assigned or self._moves or not self._ended.issuperset(held):
                return False
        try:
            return self._remaining.is_read(held)
        except LogError as error:  # it is asked again
            self._warn(error)
            return False

    def is_current(self, span: Span) -> bool:
        """See `LogReader.is_current`."""
        return self._assignment.is_current(span)

    def acknowledge(self, span: Span) -> None:
        """See `LogReader.acknowledge`."""
        with self._lock:
            if self._assignment.is_current(span):
                self._done[span.of] = span.end

    def rewind(self, partition: Partition) -> None:
        """See `LogReader.rewind`."""
        known = self._ask()
        with self._lock:
            if self._assignment.position(partition) is not None:  # it may have been revoked meanwhile
                self._assign(partition, known.get(partition, 0))

    def close(self) -> None:
        """See `LogReader.close`."""
        if not self._closed:
            self._closed = True
            self._commit()
            self._assignment.release(self._assignment.held())
            self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Claim partitions. An exception of librdkafka, unlike ours, would come out of the poll as what is none."""
        known = self._ask() if partitions else {}
        for assigned in partitions:
            partition = Partition(assigned.topic, assigned.partition)
            assigned.offset = known.get(partition, 0)
            with self._lock:
                self._assign(partition, assigned.offset)
        try:
            consumer.incremental_assign(partitions)
        except KafkaException as error:
            raise self._cluster.failure("cannot take a share of the event log", error) from error
        self._is_assigned = True

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Whoever gets them next asks the ledger; batches of theirs that are under way here are no longer current."""
        self._is_assigned = False  # until it deals again, an empty share does not mean that all is read
        gone = [Partition(p.topic, p.partition) for p in partitions]
        with self._lock:
            self._assignment.release(gone)
            for partition in gone:
                self._moves.pop(partition, None)
                self._done.pop(partition, None)
                self._ended.discard(partition)

    def _assign(self, partition: Partition, offset: int) -> None:
        self._assignment.assign({partition: offset})
        self._moves[partition] = offset

    def _move(self) -> None:
        """Go to the places that were noted."""
        with self._lock:
            moves = dict(self._moves)
        known = self._identities(moves)
        if known is None:
            return  # the next poll asks again
        self._assignment.identify(known)
        for partition, offset in moves.items():
            try:
                self._consumer.seek(TopicPartition(*partition, offset))
            except KafkaException as error:  # it is not being fetched yet: the next poll tries again
                _DEBUG.debug("cannot seek %s yet: %s", partition, error)
                continue
            with self._lock:
                self._ended.discard(partition)
                if self._moves.get(partition) == offset:  # else it was moved once more meanwhile
                    del self._moves[partition]

    def _look_at_topics(self) -> None:
        """See whether they are still the logs of which the ledger was asked."""
        now = time.monotonic()
        if now < self._looked_at + _LOOK_SECONDS:
            return
        self._looked_at = now
        now_there = self._identities(self._assignment.held())
        if now_there is not None and (changed := self._assignment.changed(now_there)):
            raise made_anew(changed[0], self._cluster)

    def _identities(self, partitions: Collection[Partition]) -> dict[str, str] | None:
        """Which log the topic of each partition is; None while that cannot be asked."""
        try:
            return self._known.identities({partition.topic for partition in partitions})
        except LogError as error:
            self._warn(error)
            return None

    def _commit(self) -> None:
        """Commit what was acknowledged; by the thread that polls, for the client lets one thread wait for the other."""
        with self._lock:
            done, self._done = self._done, {}
        if done:
            try:
                offsets = [TopicPartition(*partition, offset) for partition, offset in done.items()]
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                _DEBUG.debug("offsets of the group not committed: %s", error)

    def _note(self, came: Polled) -> None:
        """Take note of errors, and of which partitions are read to their end."""
        for error in came.errors:
            self._client_errors(error)
        with self._lock:
            self._ended.difference_update(came.columns)
            self._ended.update(came.ended.keys() - self._moves.keys())
        if came.columns or came.ended:
            self._failing = False
        for partition, end in came.ended.items():
            if partition not in came.columns:
                self._check(partition, [end])

    def _batch(self, partition: Partition, columns: Columns) -> Batch | None:
        self._check(partition, columns.offsets)
        with self._lock:
            if partition in self._moves:
                return None
            span = self._assignment.next_span(partition, columns.offsets[-1] + 1)
        return columns.batch(span) if span else None

    def _check(self, partition: Partition, offsets: list[int]) -> None:
        """See whether the log still goes on where we stand; it is read from its start on where it does not.

        Args:
            partition: of the log.
            offsets: of messages that came, or of its end.
        """
        with self._lock:
            position = None if partition in self._moves else self._assignment.position(partition)
        if position is None or offsets[-1] - position == len(offsets) - 1:
            return
        check_continuity(self._consumer, self._cluster, partition, position, offsets)

    def _check_client_errors(self) -> None:
        error, self._client_errors.last = self._client_errors.last, None
        if error is None:
            return
        failure = self._cluster.failure("cannot read the event log", error)
        if is_hopeless(error):
            raise failure
        self._warn(failure)

    def _warn(self, failure: LogError) -> None:
        if not self._failing:  # once, until messages come again
            self._failing = True
            _LOG.warning("Kafka is in trouble, and is tried again", error=str(failure))
