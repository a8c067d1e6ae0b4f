"""Rows of traffic as NumPy records; each becomes one message."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
Integers = NDArray[np.int64]

#: Times are microseconds since the epoch (UTC); `user`, `website` and `creative` are indices into the market's arrays.
ROW = np.dtype(
    [
        ("time", "i8"),
        ("arrival", "i8"),
        ("serial", "i8"),  # number of the auction
        (
            "amount",
            "f8",
        ),  # the bid amount, also on its impression and click; on a conversion or refund, its value
        ("user", "i4"),
        ("website", "i4"),
        ("creative", "i4"),
        ("action", "i1"),  # index into market.CONVERSION_TYPES: 0 is a click
        ("kind", "i1"),  # index into kinds.KINDS
    ]
)


def no_rows() -> Rows:
    """An empty array of rows."""
    return np.empty(0, dtype=ROW)


class PendingRows:
    """A buffer of rows, released in the order of a time field: `time` or `arrival`."""

    def __init__(self, time_field: str) -> None:
        self._time_field = time_field
        self._rows = no_rows()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: Rows) -> None:
        """Add rows to the buffer."""
        self._rows = np.concatenate([self._rows, rows]) if len(self._rows) else rows

    def lowest(self, name: str, default: int) -> int:
        """The lowest value of a field among the buffered rows and `default`."""
        return min(default, int(self._rows[name].min())) if len(self._rows) else default

    def take(self, until: int | None) -> Rows:
        """Remove and return the rows with a time before `until` (None: all), stably sorted by time."""
        due = np.ones(len(self._rows), bool) if until is None else self._rows[self._time_field] < until
        taken, self._rows = self._rows[due], self._rows[~due]
        return taken[np.argsort(taken[self._time_field], kind="stable")]


def strictly_after(times: NDArray[Any], floor: int) -> Integers:
    """Ascending times, each moved by the fewest microseconds that make them strictly ascending and after `floor`."""
    steps = np.arange(len(times), dtype=np.int64)
    slack = np.maximum(times.astype(np.int64) - steps, floor + 1)
    return np.maximum.accumulate(slack) + steps
