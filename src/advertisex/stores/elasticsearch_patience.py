"""How long something is tried again while a cluster is busy or away, and what is said meanwhile."""

import random
import threading
import time
from collections.abc import Collection

import structlog

from advertisex.errors import StoreError
from advertisex.stores.elasticsearch_address import Address

#: Seconds between two warnings about a cluster that does not take what we write.
WARN_EVERY = 60.0
LONGEST_PAUSE = 30.0
_FIRST_PAUSE = 0.2
#: Seconds without success before the first: a busy moment is no news.
_WARN_AFTER = 3.0

_log = structlog.get_logger(__name__)


class Patience:
    """How long one thing is tried again: growing pauses with jitter, until it is over, or someone gives up.

    Args:
        what: is being tried, for people.
        where: the cluster.
        seconds: until the end; None never ends.
        stops: any of these ends it at once.
    """

    def __init__(self, what: str, where: Address, seconds: float | None, stops: Collection[threading.Event]) -> None:
        self._what, self._where, self._stops = what, where, stops
        self._since = time.monotonic()
        self._until = None if seconds is None else self._since + seconds
        self._warned: float | None = None
        self._next = _FIRST_PAUSE

    def pause(self, why: str, *, at_least: float = 0.0) -> None:
        """Wait before the next try.

        Raises:
            StoreError: it is over.
        """
        now = time.monotonic()
        if self._until is not None and now >= self._until:
            raise StoreError(
                f"cannot {self._what}: {why}",
                where=str(self._where),
                mend="see that Elasticsearch runs there and can be reached, then run this again",
            )
        warned = self._since + _WARN_AFTER - WARN_EVERY if self._warned is None else self._warned
        if self._until is None and now - warned >= WARN_EVERY:
            _log.warning(f"Waiting to {self._what}; nothing is lost", why=why, where=str(self._where))
            self._warned = now
        pause = max(self._next * random.uniform(0.5, 1.0), at_least)  # noqa: S311 - jitter
        self._next = min(self._next * 2, LONGEST_PAUSE)
        self._sleep(pause if self._until is None else min(pause, max(self._until - now, 0.0)))

    def progressed(self) -> None:
        """Something got through: begin with short pauses again."""
        self._next = _FIRST_PAUSE

    def done(self) -> None:
        """It succeeded: tell those who were told that it did not."""
        if self._warned is not None:
            waited = round(time.monotonic() - self._since, 1)
            _log.info(f"Could {self._what} again", seconds=waited, where=str(self._where))

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            if any(stop.is_set() for stop in self._stops):
                raise StoreError(
                    f"stopped while waiting to {self._what}; nothing advanced",
                    where=str(self._where),
                    mend="run this again to go on from the ledger",
                )
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.1))
