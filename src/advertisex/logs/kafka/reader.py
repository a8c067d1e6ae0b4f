"""Reads Kafka as a member of a consumer group: the group assigns partitions, the ledger gives the start offsets.

Rebalancing is cooperative: a partition that stays assigned continues, and its batches stay current; only a partition
that moves is released and assigned again. The group's committed offsets are written for lag tools, but never read.

Every change of a position (an assignment, a rewind) takes one path: the new offset goes into `_seeks`, and the next
`poll` seeks to it before it reads. Messages of partitions with a pending seek are dropped, since they may come from
the old position. So a batch always starts where its span does.

The broker returns messages up to the last stable offset, where the oldest open transaction starts. A partition may end
with control records or aborted messages there: a batch without messages moves the ledger past them.
"""

import logging
from collections.abc import Collection
from threading import Lock

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from advertisex.errors import LogError, LogUnavailable
from advertisex.logs.assignment import Assignment
from advertisex.logs.contract import LogReader, Positions
from advertisex.logs.kafka.client import CLIENT_ID, ClientErrors, Cluster, is_permanent, kafka_error
from advertisex.logs.kafka.continuity import check_continuity, topic_recreated
from advertisex.logs.kafka.fetch import FIXED
from advertisex.logs.kafka.poll import Columns, Polled, take
from advertisex.logs.kafka.remaining import REFRESH, REFRESH_MS, RemainingPartitions
from advertisex.logs.kafka.topics import KafkaTopics
from advertisex.model import Batch, Partition, Span

_DEBUG = logging.getLogger(__name__)
_LOG = structlog.get_logger(__name__)
_SESSION_MS = 20_000
_FIXED = FIXED | {
    "partition.assignment.strategy": "cooperative-sticky",  # the reader assigns incrementally
}
_DEFAULTS: dict[str, str | int] = {
    "client.id": CLIENT_ID,
    "fetch.wait.max.ms": 100,  # how soon the broker reports the end of the partition
    # a killed process loses its partitions after this; librdkafka's own thread sends the heartbeats
    "session.timeout.ms": _SESSION_MS,
    # the pipeline polls once per batch, and a slow store may delay it. A process that has not polled for this long
    # loses its partitions; it may get them back when it polls again
    "max.poll.interval.ms": 600_000,
    REFRESH: REFRESH_MS,  # how soon new partitions are noticed
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
        _DEBUG.debug("could not commit the group's offsets")


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
        self._remaining = RemainingPartitions(topics, cluster, cluster_topics, positions)
        self._lock = Lock()  # guards `_assignment` and `_seeks` together
        self._seeks: dict[Partition, int] = {}
        self._done: dict[Partition, int] = {}
        self._ended: dict[Partition, int] = {}
        self._is_assigned = False  # whether the group has assigned partitions, even if none to this member
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
            read = {at: (columns, columns.offsets[-1] + 1) for at, columns in polled.columns.items()}
            moved = read or {at: (Columns(), end) for at, end in self._behind().items()}
            batches = [batch for at, new in moved.items() if (batch := self._batch(at, *new)) is not None]
        except KafkaException as error:
            raise self._cluster.failure("cannot read the event log", error, self._client_errors) from error
        self._check_client_errors()
        return batches

    @property
    def caught_up(self) -> bool:
        with self._lock:
            held = set(self._assignment.held())
            if not self._is_assigned or self._seeks:
                return False
            if any(self._ended.get(partition) != self._assignment.position(partition) for partition in held):
                return False
        try:
            return self._remaining.is_read(held)
        except LogUnavailable as error:  # the caller asks again
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
                self._ended.pop(partition, None)

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
            except KafkaException:  # not being fetched yet: the next poll retries
                _DEBUG.debug("cannot seek %s yet", partition)
                continue
            with self._lock:
                self._ended.pop(partition, None)
                if self._seeks.get(partition) == offset:  # otherwise it was moved again in the meantime
                    del self._seeks[partition]

    def _check_topics(self) -> None:
        """Check that messages just read are not from a recreated topic: a consumer silently continues in the new one.

        It takes about 2 ms. A topic that has its old id after the messages were read is the one they came from.
        """
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
            except KafkaException:
                _DEBUG.debug("could not commit the group's offsets")

    def _record(self, polled: Polled) -> None:
        """Record errors, and where the partitions end that are read to the end."""
        for error in polled.errors:
            self._client_errors(error)
        with self._lock:
            for partition in polled.columns:
                self._ended.pop(partition, None)
            self._ended |= {partition: end for partition, end in polled.ended.items() if partition not in self._seeks}
        if polled.columns or polled.ended:
            self._failing = False

    def _behind(self) -> dict[Partition, int]:
        """The ends of partitions that are read to the end, but end with control records or aborted messages."""
        with self._lock:
            return {at: end for at, end in self._ended.items() if self._assignment.position(at) not in (None, end)}

    def _batch(self, partition: Partition, columns: Columns, end: int) -> Batch | None:
        lost = self._lost(partition, columns.offsets or [end])
        with self._lock:
            if partition in self._seeks:
                return None
            span = self._assignment.next_span(partition, end)
        return columns.batch(span, lost) if span else None

    def _lost(self, partition: Partition, offsets: list[int]) -> int:
        """Check that the log continues at our position.

        Args:
            partition: the partition to check.
            offsets: offsets of the messages received, or the end offset.

        Returns:
            How many offsets before the last of them are lost. If Kafka does not say, they are read again.
        """
        with self._lock:
            position = None if partition in self._seeks else self._assignment.position(partition)
        if position is None or offsets[-1] - position == len(offsets) - 1:
            return 0
        try:
            return check_continuity(self._consumer, self._cluster, partition, position, offsets)
        except KafkaException as error:
            reason = kafka_error(error)
            if reason is None or is_permanent(reason):
                raise
            self._warn(self._cluster.failure("cannot query the offsets of the event log", error))
            with self._lock:
                self._seeks.setdefault(partition, position)
            return 0

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
