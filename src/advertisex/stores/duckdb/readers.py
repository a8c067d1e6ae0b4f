"""Counts the threads that use a store, so that its file is replaced while none does."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Readers:
    """The threads that use a store beside the one that commits."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._count = 0
        self._are_held_off = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Use the store while the block runs; wait while others are held off. A generator may end in another thread."""
        with self._changed:
            self._changed.wait_for(lambda: not self._are_held_off)
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    @contextmanager
    def held_off(self, seconds: float) -> Iterator[bool]:
        """Let nobody begin to read while the block runs; yield whether those who did have ended in time.

        Args:
            seconds: how long to wait for them. One may be waiting for another read, so it cannot be long.
        """
        with self._changed:
            self._are_held_off = True
            nobody_reads = self._changed.wait_for(lambda: self._count == 0, seconds)
        try:
            yield nobody_reads
        finally:
            with self._changed:
                self._are_held_off = False
                self._changed.notify_all()
