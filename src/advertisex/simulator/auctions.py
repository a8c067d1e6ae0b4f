"""Tracks which auctions have both their bid and the impression it won stored."""

import numpy as np
from numpy.typing import NDArray

from advertisex.simulator.rows import Rows

_BID, _IMPRESSION = 1, 2
_BOTH = _BID | _IMPRESSION


class Auctions:
    """The sides (bid, impression) of each auction that are stored so far.

    Bid and impression arrive in any order, up to hours apart. An auction is kept only while messages of it may still
    arrive, so that memory stays bounded on endless traffic.
    """

    def __init__(self) -> None:
        self._first = 0
        self._sides: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def __len__(self) -> int:
        """The number of auctions tracked."""
        return len(self._sides)

    def bids(self, rows: Rows) -> Rows:
        """Add stored bids, at most one per auction; return those whose impression is stored."""
        return self._add(_BID, rows)

    def impressions(self, rows: Rows) -> Rows:
        """Add stored impressions, at most one per auction; return those whose bid is stored."""
        return self._add(_IMPRESSION, rows)

    def forget(self, before: int) -> None:
        """Drop the auctions with a serial below `before`; no more messages of them will arrive."""
        self._sides = self._sides[max(0, before - self._first) :].copy()
        self._first = max(self._first, before)

    def _add(self, side: int, rows: Rows) -> Rows:
        if not len(rows):
            return rows
        indices = rows["serial"] - self._first
        missing = int(indices.max()) + 1 - len(self._sides)
        if missing > 0:
            self._sides = np.concatenate([self._sides, np.zeros(missing, np.uint8)])
        self._sides[indices] |= side
        both: Rows = rows[self._sides[indices] == _BOTH]
        return both
