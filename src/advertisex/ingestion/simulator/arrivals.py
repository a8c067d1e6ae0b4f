"""Events become messages under way: some broken, some repeated, some late, in an order of their own."""

import numpy as np
from numpy.typing import NDArray

from advertisex.ingestion.simulator.kinds import CODES, DUPLICATE, GOOD, FaultPlan
from advertisex.ingestion.simulator.rows import Rows, Waiting

_SECOND = 1_000_000
_NETWORK_DELAY = 0.4 * _SECOND
_LATE_DELAY = 20 * 60 * _SECOND
_LONGEST_DELAY = 6 * 60 * 60 * _SECOND
_REPEAT_DELAY = 90 * _SECOND
_GOLDEN = 0.618_033_988_749_895
_OVERSIZED_PER_FEED = 1


class Arrivals:
    """The messages of one feed that are under way.

    Args:
        plan: what can go wrong.
        duplicate: the share of good events that is sent again.
        late: the share of messages that arrives late.
        random: where chance comes from.
    """

    def __init__(self, plan: FaultPlan, duplicate: float, late: float, random: np.random.Generator) -> None:
        self._codes = np.array((*plan.codes, GOOD), dtype=np.int8)
        self._edges = np.cumsum(plan.rates)
        self._duplicate = duplicate
        self._late = late
        self._random = random
        self._phase = float(random.random())
        self._seen = 0
        self._oversized = 0
        self._under_way = Waiting("arrival")

    def __len__(self) -> int:
        """How many messages are under way."""
        return len(self._under_way)

    def send(self, rows: Rows) -> None:
        """Send events off, with faults, delays and repetitions."""
        count = len(rows)
        rows["kind"] = self._kinds(count)
        delay = self._random.exponential(_NETWORK_DELAY, count)
        late = self._random.random(count) < self._late
        hold_up = self._random.exponential(_LATE_DELAY, int(late.sum())) + 60 * _SECOND
        delay[late] += np.minimum(hold_up, _LONGEST_DELAY)
        rows["arrival"] = rows["time"] + 1 + delay.astype(np.int64)
        self._under_way.add(rows)
        repeated = rows[(rows["kind"] == GOOD) & (self._random.random(count) < self._duplicate)]
        if len(repeated):
            repeated["kind"] = DUPLICATE
            again = self._random.exponential(_REPEAT_DELAY, len(repeated))
            repeated["arrival"] += 1 + again.astype(np.int64)
            self._under_way.add(repeated)

    def arrived(self, until: int | None) -> Rows:
        """The messages that arrive before `until` (None: all that are under way), in the order of arrival."""
        return self._under_way.take(until)

    def oldest_auction(self, otherwise: int) -> int:
        """The lowest serial of an auction that something is under way of; see `Waiting.lowest`."""
        return self._under_way.lowest("serial", otherwise)

    def _kinds(self, count: int) -> NDArray[np.int8]:
        """The kind of each of the next messages.

        Multiples of the golden ratio lie evenly in [0, 1): each kind comes as often as its rate says, give or
        take a message or two, so that a short run too has every fault that its length allows.
        """
        places = (self._phase + (self._seen + np.arange(count)) * _GOLDEN) % 1
        self._seen += count
        kinds: NDArray[np.int8] = self._codes[np.searchsorted(self._edges, places, side="right")]
        oversized = np.flatnonzero(kinds == CODES["oversized"])
        room = _OVERSIZED_PER_FEED - self._oversized
        kinds[oversized[room:]] = GOOD
        self._oversized += min(room, len(oversized))
        return kinds
