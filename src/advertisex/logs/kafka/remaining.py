"""Tracks whether the partitions that are assigned to other group members are processed too.

Partitions that move between members, or belonged to a killed one, are unassigned for a while. A member that exited at
that point would leave them unread. Their progress is visible in the ledger.
"""

import time
from collections.abc import Callable, Collection, Mapping

import structlog

from advertisex.logs.contract import Positions
from advertisex.model import Partition

_LOG = structlog.get_logger(__name__)
_CHECK_SECONDS = 0.5


class RemainingPartitions:
    """The partitions that are not assigned to us, up to their end offsets when we first reached the end of ours.

    Args:
        topics: topics that are read.
        ends: returns the end offset of each partition of the log.
        positions: reads the ledger.
        stalled: seconds without progress after which the ledger counts as final.
    """

    def __init__(
        self,
        topics: Collection[str],
        ends: Callable[[], Mapping[Partition, int]],
        positions: Positions,
        stalled: float,
    ) -> None:
        self._topics = frozenset(topics)
        self._end_offsets, self._ledger, self._stalled = ends, positions, stalled
        self._goal: dict[Partition, int] | None = None
        self._unread: dict[Partition, int] = {}
        self._advanced_at = 0.0
        self._checked_at = float("-inf")

    def is_read(self, held: Collection[Partition]) -> bool:
        """Whether the ledger has reached the end of all partitions except `held`, or has stopped advancing.

        Raises:
            LogError: the log cannot be read.
        """
        if self._goal is None:
            self._goal = {p: end for p, end in self._end_offsets().items() if p.topic in self._topics}
            self._advanced_at = time.monotonic()
        others = {p: end for p, end in self._goal.items() if p not in held}
        if not others:
            return True
        now = time.monotonic()
        if now >= self._checked_at + _CHECK_SECONDS:
            known = self._ledger()
            unread = {p: known.get(p, 0) for p, end in others.items() if known.get(p, 0) < end}
            if unread != self._unread:
                self._unread, self._advanced_at = unread, now
            self._checked_at = now
        if self._unread and now > self._advanced_at + self._stalled:
            _LOG.warning(
                "the ledger has stopped advancing: partitions of other consumers may be unread",
                partitions=len(self._unread),
            )
            return True
        return not self._unread
