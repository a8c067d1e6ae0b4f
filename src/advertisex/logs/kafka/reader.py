"""Reads Kafka as a member of a consumer group: the group assigns partitions, the ledger gives the start offsets.

Rebalancing is cooperative: a partition that stays assigned continues, and its batches stay current; only a partition
that moves is released and assigned again. The group's committed offsets are written for lag tools, but never read.

Every change of a position (an assignment, a rewind) takes one path: the new offset goes into `_seeks`, and the next
`poll` seeks to it before it reads. Messages of partitions with a pending seek are dropped, since they may come from
the old position. So a batch always starts where its span does.
"""

import logging
import time
from collections.abc import Collection
from threading import Lock

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from advertisex.errors import LogError
from advertisex.logs.assignment import Assignment
from advertisex.logs.contract import LogReader, Positions
from advertisex.logs.kafka.client import ClientErrors, Cluster, is_permanent
from advertisex.logs.kafka.continuity import check_continuity, topic_recreated
from advertisex.logs.kafka.fetch import FIXED
from advertisex.logs.kafka.poll import Columns, Polled, take
from advertisex.logs.kafka.remaining import RemainingPartitions
from advertisex.logs.kafka.topics import KafkaTopics
from advertisex.model import Batch, Partition, Span

_DEBUG = logging.getLogger(__name__)
_LOG = structlog.get_logger(__name__)
#: Interval of the check for recreated topics: a consumer silently continues in the new topic.
_CHECK_SECONDS = 1.0
_SESSION_MS = 20_000
_FIXED = FIXED | {
    "partition.assignment.strategy": "cooperative-sticky",  # the reader assigns incrementally
}
_DEFAULTS = {
    "fetch.wait.max.ms": 100,  # how soon the broker reports the end of the partition
    # a killed process loses its partitions after this; librdkafka's own thread sends the heartbeats
    "session.timeout.ms": _SESSION_MS,
    # the pipeline polls once per batch, and a slow store may delay it. A process that has not polled for this long
    # loses its partitions; it may get them back when it polls again
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


class KafkaReader(LogReader):
    """Reads the topics of one cluster.

    Args:
        cluster: the Kafka cluster.
        cluster_topics: reads the end offsets and identities of topics.
        topics: topics to read; they must exist.
        positions: reads the ledger.
        limit: maximum messages per poll.
    """

    def __init__(
        self, cluster: Cluster, cluster_topics: KafkaTopics, topics: Collection[str], positions: Positions, limit: int
    ) -> None:
        self._cluster = cluster
        self._topics = cluster_topics
        self._ledger = positions
        self._limit = limit
        self._assignment = Assignment()
        self._remaining = RemainingPartitions(topics, cluster_topics.ends, positions, cluster.timeouts.stalled)
        self._lock = Lock()  # guards `_assignment` and `_seeks` together
        self._seeks: dict[Partition, int] = {}
        self._done: dict[Partition, int] = {}
        self._ended: set[Partition] = set()
        self._is_assigned = False  # whether the group has assigned partitions, even if none to this member
        self._checked_at = 0.0
        self._failing = False
        self._closed = False
        self._client_errors = ClientErrors()
        self._consumer = group_consumer(cluster, self._client_errors)
        try:
            self._consumer.subscribe(
                list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
        except KafkaException as error:
            raise cluster.failure("cannot subscribe to Kafka", error) from error

    def poll(self) -> list[Batch]:
        self._seek()
        self._commit()
        try:
            polled = take(self._consumer, self._limit)
            if polled.columns:
                self._check_topics()
            self._record(polled)
            batches = [batch for at, columns in polled.columns.items() if (batch := self._batch(at, columns))]
        except KafkaException as error:
            raise self._cluster.failure("cannot read the event log", error, self._client_errors) from error
        self._check_client_errors()
        return batches

    @property
    def caught_up(self) -> bool:
        with self._lock:
            held = set(self._assignment.held())
            if not self._is_assigned or self._seeks or not self._ended.issuperset(held):
                return False
        try:
            return self._remaining.is_read(held)
        except LogError as error:  # the caller asks again
            self._warn(error)
            return False

    def is_current(self, span: Span) -> bool:
        return self._assignment.is_current(span)

    def acknowledge(self, span: Span) -> None:
        with self._lock:
            if self._assignment.is_current(span):
                self._done[span.of] = span.end

    def rewind(self, partition: Partition) -> None:
        known = self._ledger()
        with self._lock:
            if self._assignment.position(partition) is not None:  # it may have been revoked meanwhile
                self._assign(partition, known.get(partition, 0))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._commit()
            self._assignment.release(self._assignment.held())
            self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Take over partitions. Raises only our own errors: librdkafka's would leave `poll` as a non-exception."""
        known = self._ledger() if partitions else {}
        for assigned in partitions:
            partition = Partition(assigned.topic, assigned.partition)
            assigned.offset = known.get(partition, 0)
            with self._lock:
                self._assign(partition, assigned.offset)
        try:
            consumer.incremental_assign(partitions)
        except KafkaException as error:
            raise self._cluster.failure("cannot assign partitions of the event log", error) from error
        self._is_assigned = True

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Release partitions: their next owner starts at the ledger, and batches in flight are no longer current."""
        self._is_assigned = False  # until the next assignment, having no partitions does not mean caught up
        revoked = [Partition(p.topic, p.partition) for p in partitions]
        with self._lock:
            self._assignment.release(revoked)
            for partition in revoked:
                self._seeks.pop(partition, None)
                self._done.pop(partition, None)
                self._ended.discard(partition)

    def _assign(self, partition: Partition, offset: int) -> None:
        self._assignment.assign({partition: offset})
        self._seeks[partition] = offset

    def _seek(self) -> None:
        """Perform the pending seeks."""
        with self._lock:
            seeks = dict(self._seeks)
        known = self._identities(seeks)
        if known is None:
            return  # the next poll retries
        self._assignment.identify(known)
        for partition, offset in seeks.items():
            try:
                self._consumer.seek(TopicPartition(*partition, offset))
            except KafkaException as error:  # not being fetched yet: the next poll retries
                _DEBUG.debug("cannot seek %s yet: %s", partition, error)
                continue
            with self._lock:
                self._ended.discard(partition)
                if self._seeks.get(partition) == offset:  # otherwise it was moved again in the meantime
                    del self._seeks[partition]

    def _check_topics(self) -> None:
        """Check that the topics were not recreated."""
        now = time.monotonic()
        if now < self._checked_at + _CHECK_SECONDS:
            return
        self._checked_at = now
        current = self._identities(self._assignment.held())
        if current is not None and (changed := self._assignment.changed(current)):
            raise topic_recreated(changed[0], self._cluster)

    def _identities(self, partitions: Collection[Partition]) -> dict[str, str] | None:
        """The identities of the partitions' topics; None if Kafka does not respond."""
        try:
            return self._topics.identities({partition.topic for partition in partitions})
        except LogError as error:
            self._warn(error)
            return None

    def _commit(self) -> None:
        """Commit acknowledged offsets. Called by the polling thread: the client would block another one."""
        with self._lock:
            done, self._done = self._done, {}
        if done:
            try:
                offsets = [TopicPartition(*partition, offset) for partition, offset in done.items()]
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                _DEBUG.debug("could not commit the group's offsets: %s", error)

    def _record(self, polled: Polled) -> None:
        """Record errors, and which partitions are read to the end."""
        for error in polled.errors:
            self._client_errors(error)
        with self._lock:
            self._ended.difference_update(polled.columns)
            self._ended.update(polled.ended.keys() - self._seeks.keys())
        if polled.columns or polled.ended:
            self._failing = False
        for partition, end in polled.ended.items():
            if partition not in polled.columns:
                self._check(partition, [end])

    def _batch(self, partition: Partition, columns: Columns) -> Batch | None:
        self._check(partition, columns.offsets)
        with self._lock:
            if partition in self._seeks:
                return None
            span = self._assignment.next_span(partition, columns.offsets[-1] + 1)
        return columns.batch(span) if span else None

    def _check(self, partition: Partition, offsets: list[int]) -> None:
        """Check that the log continues at our position.

        Args:
            partition: the partition to check.
            offsets: offsets of the messages received, or the end offset.
        """
        with self._lock:
            position = None if partition in self._seeks else self._assignment.position(partition)
        if position is None or offsets[-1] - position == len(offsets) - 1:
            return
        check_continuity(self._consumer, self._cluster, partition, position, offsets)

    def _check_client_errors(self) -> None:
        error, self._client_errors.last = self._client_errors.last, None
        if error is None:
            return
        failure = self._cluster.failure("cannot read the event log", error)
        if is_permanent(error):
            raise failure
        self._warn(failure)

    def _warn(self, failure: LogError) -> None:
        if not self._failing:  # warn once, until messages arrive again
            self._failing = True
            _LOG.warning("Kafka error, retrying", error=str(failure))
