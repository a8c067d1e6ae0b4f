"""Waits after failures."""

import random

#: The longest wait, unless a source sets another one, in seconds.
LONGEST_WAIT = 60.0


class Backoff:
    """Waits that double with each failure, with jitter.

    Args:
        first: the first wait, in seconds.
        longest: the longest one, without its jitter; at least the first.
    """

    def __init__(self, first: float, longest: float = LONGEST_WAIT) -> None:
        self._first, self._longest = first, max(first, longest)
        self._failures = 0

    def next(self) -> float:
        """Return the wait after another failure, in seconds."""
        wait = min(self._first * 2.0 ** min(self._failures, 32), self._longest)
        self._failures += 1
        return wait * random.uniform(1, 1.25)  # noqa: S311 - jitter needs no secure randomness

    def reset(self) -> None:
        """Begin with the first wait again, after a success."""
        self._failures = 0
