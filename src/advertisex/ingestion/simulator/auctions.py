"""Which auctions are stored from both sides: as a bid, and as the impression that it won."""

import numpy as np
from numpy.typing import NDArray

from advertisex.ingestion.simulator.rows import Rows

_BID, _IMPRESSION = 1, 2
_BOTH = _BID | _IMPRESSION


class Auctions:
    """The sides of each auction that are stored so far.

    Bid and impression arrive in any order, up to hours apart. An auction is remembered until nothing of it is under
    way any more, so that traffic without end takes no memory without end.
    """

    def __init__(self) -> None:
        self._first = 0
        self._sides: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def __len__(self) -> int:
        """How many auctions are remembered."""
        return len(self._sides)

    def bids(self, rows: Rows) -> Rows:
        """Stored bids, one at most of an auction: those among them whose impression is stored."""
        return self._add(_BID, rows)

    def impressions(self, rows: Rows) -> Rows:
        """Stored impressions, one at most of an auction: those among them whose bid is stored."""
        return self._add(_IMPRESSION, rows)

    def forget(self, before: int) -> None:
        """Nothing comes any more of the auctions whose serial is below `before`."""
        self._sides = self._sides[max(0, before - self._first) :].copy()
        self._first = max(self._first, before)

    def _add(self, side: int, rows: Rows) -> Rows:
        if not len(rows):
            return rows
        places = rows["serial"] - self._first
        missing = int(places.max()) + 1 - len(self._sides)
        if missing > 0:
            self._sides = np.concatenate([self._sides, np.zeros(missing, np.uint8)])
        self._sides[places] |= side
        both: Rows = rows[self._sides[places] == _BOTH]
        return both
