"""Whether the whole log is read, when a member of the group has come to the end of its own share.

Partitions on their way from one member to another, or left by one that was killed, are in nobody's share for a while.
A member that ended then would leave them unread. The ledger tells of them.
"""

import time
from collections.abc import Callable, Collection, Mapping

import structlog

from advertisex.batches import Partition
from advertisex.logs.contract import Positions

_LOG = structlog.get_logger(__name__)
_ASK_SECONDS = 0.5
#: A ledger that stands still for so long gets no further: behind its last message a log may hold what is none.
_STANDSTILL_SECONDS = 60.0


class RemainingPartitions:
    """What is not in our share, of the log as it was when we first came to the end of ours.

    Args:
        topics: that are read.
        ends: asks the log where its partitions end.
        positions: asks the ledger.
    """

    def __init__(
        self, topics: Collection[str], ends: Callable[[], Mapping[Partition, int]], positions: Positions
    ) -> None:
        self._topics = frozenset(topics)
        self._ask_log, self._ask_ledger = ends, positions
        self._goal: dict[Partition, int] | None = None
        self._unread: dict[Partition, int] = {}
        self._moved_at = 0.0
        self._asked_at = float("-inf")

    def is_read(self, held: Collection[Partition]) -> bool:
        """Whether the ledger has come to the end of every partition but those that are held, or gets no further.

        Raises:
            LogError: the log cannot be asked.
        """
        if self._goal is None:
            self._goal = {p: end for p, end in self._ask_log().items() if p.topic in self._topics}
            self._moved_at = time.monotonic()
        others = {p: end for p, end in self._goal.items() if p not in held}
        if not others:
            return True
        now = time.monotonic()
        if now >= self._asked_at + _ASK_SECONDS:
            known = self._ask_ledger()
            unread = {p: known.get(p, 0) for p, end in others.items() if known.get(p, 0) < end}
            if unread != self._unread:
                self._unread, self._moved_at = unread, now
            self._asked_at = now
        if self._unread and now > self._moved_at + _STANDSTILL_SECONDS:
            _LOG.warning(
                "the ledger stands still: what others hold of the log may be unread", partitions=len(self._unread)
            )
            return True
        return not self._unread
