"""Tracks whether the partitions that are assigned to other group members are processed too.

Partitions that move between members, or belonged to a killed one, are unassigned for a while. A member that exited at
that point would leave them unread. Their progress is visible in the ledger. If the ledger does not advance, another
application, or an AdvertiseX with another store, holds them: then this run cannot be complete. Nobody holds a
partition that was added to a topic, until a member has refreshed its metadata.
"""

import time
from collections.abc import Callable, Collection, Mapping

import structlog

from advertisex.errors import LogError
from advertisex.logs.contract import Positions
from advertisex.logs.kafka.client import Cluster
from advertisex.logs.kafka.holders import Holder
from advertisex.logs.kafka.topics import KafkaTopics
from advertisex.model import Partition

_LOG = structlog.get_logger(__name__)
_CHECK_SECONDS = 0.5
#: How much longer to wait for a process of ours than for another application: a busy store may delay it.
_OURS = 10
_SHOWN = 5
REFRESH = "topic.metadata.refresh.interval.ms"
REFRESH_MS = 60_000
#: Hints by who holds the partitions.
_FOREIGN = "another application is a member of this group: stop it, or set kafka.group to a unique name"
_UNKNOWN = (
    "Kafka does not say who holds them: grant the right to describe the group (kafka-acls --add); "
    "if another application is a member of this group, stop it, or set kafka.group to a unique name"
)
_NOBODY = "no member of the group reads them: run this again, or check the group (kafka-consumer-groups --describe)"


class RemainingPartitions:
    """The partitions that are not assigned to us, up to their end offsets when we first reached the end of ours.

    Args:
        topics: topics that are read.
        cluster: the Kafka cluster.
        cluster_topics: reads the end offsets, and which member holds a partition.
        positions: reads the ledger.
        clock: returns the time, in seconds.
    """

    def __init__(
        self,
        topics: Collection[str],
        cluster: Cluster,
        cluster_topics: KafkaTopics,
        positions: Positions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topics = frozenset(topics)
        self._cluster, self._cluster_topics, self._ledger = cluster, cluster_topics, positions
        self._clock = clock
        self._goal: dict[Partition, int] | None = None
        self._unread: dict[Partition, int] = {}
        self._waited = 0.0
        self._checked_at = float("-inf")
        self._warned = False

    def is_read(self, held: Collection[Partition]) -> bool:
        """Whether the ledger has reached the end of all partitions except `held`.

        Raises:
            LogError: the log cannot be read, or others hold partitions without advancing the ledger.
        """
        if self._goal is None:
            self._goal = self._cluster_topics.ends(self._topics)
        others = {p: end for p, end in self._goal.items() if p not in held}
        if not others:
            return True
        now = self._clock()
        if now >= self._checked_at + _CHECK_SECONDS:
            known = self._ledger()
            unread = {p: known.get(p, 0) for p, end in others.items() if known.get(p, 0) < end}
            # a server that does not respond delays a check; others cannot advance either meanwhile
            since_check = min(now - self._checked_at, 2 * _CHECK_SECONDS)
            self._waited = self._waited + since_check if unread == self._unread else 0.0
            self._unread, self._checked_at = unread, now
            if self._unread and self._waited >= self._cluster.timeouts.stalled:
                self._check_holders()
        return not self._unread

    def _check_holders(self) -> None:
        holders = self._cluster_topics.holders(self._unread)
        limit, hint = self._limit(holders)
        shown = [f"{p.topic}/{p.partition} ({_holder_of(p, holders)})" for p in sorted(self._unread)]
        partitions = ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")
        if self._waited >= limit:
            raise LogError(
                f"{_counted(len(shown))} not processed into this store: {partitions}",
                where=f"consumer group {self._cluster.settings.group} at {self._cluster.brokers}",
                hint=hint,
            )
        if not self._warned:
            self._warned = True
            _LOG.warning("waiting for partitions that this process does not read", partitions=partitions)

    def _limit(self, holders: Mapping[Partition, Holder] | None) -> tuple[float, str]:
        """How long to wait for such holders, in seconds, and the hint afterwards."""
        stalled = self._cluster.timeouts.stalled
        if holders is None:
            return stalled, _UNKNOWN
        if not all(holder.is_ours for holder in holders.values()):
            return stalled, _FOREIGN
        if holders:
            return _OURS * stalled, _FOREIGN
        refresh = float(self._cluster.settings.client.get(REFRESH, REFRESH_MS)) / 1000
        return stalled + 2 * max(refresh, 0), _NOBODY


def _counted(partitions: int) -> str:
    return "1 partition is" if partitions == 1 else f"{partitions:,} partitions are"


def _holder_of(partition: Partition, holders: Mapping[Partition, Holder] | None) -> str:
    if holders is None:
        return "unknown holder"
    return holders[partition].name if partition in holders else "assigned to no member"
