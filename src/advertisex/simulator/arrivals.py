"""Turns events into messages in flight: some faulty, duplicated or late; delivered in order of arrival."""

import numpy as np
from numpy.typing import NDArray

from advertisex.simulator.kinds import CODES, CONFLICT, DUPLICATE, GOOD, FaultPlan
from advertisex.simulator.rows import PendingRows, Rows

_SECOND = 1_000_000
_NETWORK_DELAY = 0.4 * _SECOND
_LATE_DELAY = 20 * 60 * _SECOND
_MAX_DELAY = 6 * 60 * 60 * _SECOND
_REPEAT_DELAY = 90 * _SECOND
#: Fractional part of the golden ratio.
_GOLDEN = 0.618_033_988_749_895
_OVERSIZED_PER_FEED = 1


class Arrivals:
    """The in-flight messages of one feed.

    Args:
        plan: the possible faults and their rates.
        duplicate: fraction of good events that are sent twice.
        conflict: fraction of these duplicates that differ from the event.
        late: fraction of messages that arrive late.
        random: random number generator.
    """

    def __init__(
        self, plan: FaultPlan, duplicate: float, conflict: float, late: float, random: np.random.Generator
    ) -> None:
        self._codes = np.array((*plan.codes, GOOD), dtype=np.int8)
        self._edges = np.cumsum(plan.rates)
        self._duplicate = duplicate
        self._conflict = conflict
        self._repeated = 0
        self._late = late
        self._random = random
        self._phase = float(random.random())
        self._seen = 0
        self._oversized = 0
        self._in_flight = PendingRows("arrival")

    def __len__(self) -> int:
        """The number of messages in flight."""
        return len(self._in_flight)

    def send(self, rows: Rows) -> None:
        """Send events, with faults, delays and duplicates."""
        count = len(rows)
        rows["kind"] = self._kinds(count)
        delay = self._random.exponential(_NETWORK_DELAY, count)
        late = self._random.random(count) < self._late
        extra_delay = self._random.exponential(_LATE_DELAY, int(late.sum())) + 60 * _SECOND
        delay[late] += np.minimum(extra_delay, _MAX_DELAY)
        rows["arrival"] = rows["time"] + 1 + delay.astype(np.int64)
        self._in_flight.add(rows)
        repeated = rows[(rows["kind"] == GOOD) & (self._random.random(count) < self._duplicate)]
        if len(repeated):
            repeated["kind"] = np.where(self._conflicting(len(repeated)), CONFLICT, DUPLICATE)
            again = self._random.exponential(_REPEAT_DELAY, len(repeated))
            repeated["arrival"] += 1 + again.astype(np.int64)
            self._in_flight.add(repeated)

    def arrived(self, until: int | None) -> Rows:
        """Take the messages that arrive before `until` (None: all in flight), in order of arrival."""
        return self._in_flight.take(until)

    def oldest_auction(self, default: int) -> int:
        """The lowest auction serial in flight; see `PendingRows.lowest`."""
        return self._in_flight.lowest("serial", default)

    def _conflicting(self, count: int) -> NDArray[np.bool_]:
        """Which of the next `count` duplicates are conflicts: evenly spread, so that short runs have some too."""
        sent = np.floor((self._repeated + np.arange(count + 1)) * self._conflict)
        self._repeated += count
        conflicting: NDArray[np.bool_] = np.diff(sent) > 0
        return conflicting

    def _kinds(self, count: int) -> NDArray[np.int8]:
        """The kinds of the next `count` messages, as codes.

        Multiples of the golden ratio, modulo 1, are spread evenly over [0, 1). The count of each kind therefore stays
        within a message or two of its rate, so that even short runs contain every fault that their length allows.
        """
        places = (self._phase + (self._seen + np.arange(count)) * _GOLDEN) % 1
        self._seen += count
        kinds: NDArray[np.int8] = self._codes[np.searchsorted(self._edges, places, side="right")]
        oversized = np.flatnonzero(kinds == CODES["oversized"])
        room = _OVERSIZED_PER_FEED - self._oversized
        kinds[oversized[room:]] = GOOD
        self._oversized += min(room, len(oversized))
        return kinds
