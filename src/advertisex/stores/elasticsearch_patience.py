"""How long something is tried again while a cluster is busy or away, and what is said meanwhile."""

import random
import threading
import time
from collections.abc import Callable, Collection

import structlog

from advertisex.errors import StoreError, StoreInterrupted
from advertisex.stores.elasticsearch_address import Address

#: Seconds between two warnings about a cluster that does not take what we write.
WARN_EVERY = 60.0
#: The longest pause while a cluster is away: a try costs little, and work goes on soon after it is back.
LONGEST_PAUSE = 3.0
#: The longest pause while a cluster is there, and asks for fewer requests (429).
LONGEST_BUSY_PAUSE = 30.0
_FIRST_PAUSE = 0.2
#: Seconds without success before the first: a busy moment is no news.
_WARN_AFTER = 3.0

_log = structlog.get_logger(__name__)


class Backoff:
    """How long one thing is tried again: growing pauses with jitter, until it is over, or someone gives up.

    Args:
        what: is being tried, for people.
        where: the cluster.
        seconds: until the end; None never ends.
        stops: any of these ends it at once.
        on_retry: called before each further try.
    """

    def __init__(
        self,
        what: str,
        where: Address,
        seconds: float | None,
        stops: Collection[threading.Event],
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._what, self._where, self._stops, self._on_retry = what, where, stops, on_retry
        self._since = time.monotonic()
        self._until = None if seconds is None else self._since + seconds
        self._warned: float | None = None
        self._next = _FIRST_PAUSE

    def pause(self, why: str, *, busy: bool = False, at_least: float = 0.0) -> None:
        """Wait before the next try.

        Args:
            why: the last one failed, for people.
            busy: whether the cluster is there, and asks for fewer requests.
            at_least: seconds that it asks us to wait.

        Raises:
            StoreError: it is over.
            StoreInterrupted: someone gives up.
        """
        now = time.monotonic()
        if self._until is not None and now >= self._until:
            raise StoreError(
                f"cannot {self._what}: {why}",
                where=str(self._where),
                hint="see that Elasticsearch runs there and can be reached, then run this again",
            )
        warned = self._since + _WARN_AFTER - WARN_EVERY if self._warned is None else self._warned
        if self._until is None and now - warned >= WARN_EVERY:
            _log.warning(f"Waiting to {self._what}; nothing is lost", why=why, where=str(self._where))
            self._warned = now
        longest = LONGEST_BUSY_PAUSE if busy else LONGEST_PAUSE
        pause = max(min(self._next, longest) * random.uniform(0.5, 1.0), at_least)  # noqa: S311 - jitter
        self._next = min(self._next * 2, longest)
        self._sleep(pause if self._until is None else min(pause, max(self._until - now, 0.0)))
        self._on_retry()

    def progressed(self) -> None:
        """Something got through: begin with short pauses again."""
        self._next = _FIRST_PAUSE

    def done(self) -> None:
        """It succeeded: tell those who were told that it did not."""
        if self._warned is not None:
            waited = round(time.monotonic() - self._since, 1)
            _log.info(f"Could {self._what} again", seconds=waited, where=str(self._where))

    def given_up(self) -> StoreInterrupted:
        """The error of whoever does not want to wait any longer."""
        return StoreInterrupted(
            f"stopped while waiting to {self._what}; the batch under way is abandoned, nothing advanced",
            where=str(self._where),
            hint="run this again: it goes on from the ledger",
        )

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            if any(stop.is_set() for stop in self._stops):
                raise self.given_up()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.1))
