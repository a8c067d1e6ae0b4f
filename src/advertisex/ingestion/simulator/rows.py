"""One row of traffic: what will become a message, as a NumPy record."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
Integers = NDArray[np.int64]

#: Times are microseconds since the epoch (UTC); `user`, `website` and `creative` are places in the market.
ROW = np.dtype(
    [
        ("time", "i8"),
        ("arrival", "i8"),
        ("serial", "i8"),  # of the auction, by which it is known
        ("amount", "f8"),  # what was bid, also for what came of it; of a conversion, what it was worth
        ("user", "i4"),
        ("website", "i4"),
        ("creative", "i4"),
        ("action", "i1"),  # 0 is a click, else a conversion type
        ("kind", "i1"),  # see kinds.KINDS
    ]
)


def no_rows() -> Rows:
    """An empty run of rows."""
    return np.empty(0, dtype=ROW)


class Waiting:
    """Rows that wait for a moment: of their event (`time`) or of their `arrival`."""

    def __init__(self, moment: str) -> None:
        self._moment = moment
        self._rows = no_rows()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: Rows) -> None:
        """Let more rows wait."""
        self._rows = np.concatenate([self._rows, rows]) if len(self._rows) else rows

    def lowest(self, name: str, otherwise: int) -> int:
        """The lowest value of a field among those that wait; `otherwise` where that is lower, or nothing waits."""
        return min(otherwise, int(self._rows[name].min())) if len(self._rows) else otherwise

    def take(self, until: int | None) -> Rows:
        """Those whose moment lies before `until` (None: all), in its order; equal moments as they came."""
        due = np.ones(len(self._rows), bool) if until is None else self._rows[self._moment] < until
        taken, self._rows = self._rows[due], self._rows[~due]
        return taken[np.argsort(taken[self._moment], kind="stable")]


def strictly_after(times: NDArray[Any], floor: int) -> Integers:
    """Rising times, each later by as few microseconds as make all of them differ and lie after `floor`."""
    steps = np.arange(len(times), dtype=np.int64)
    slack = np.maximum(times.astype(np.int64) - steps, floor + 1)
    return np.maximum.accumulate(slack) + steps
