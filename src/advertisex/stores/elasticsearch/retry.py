"""Backoff: how long an operation is retried while a cluster is busy or unavailable, and what is logged."""

import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from advertisex.errors import StoreInterrupted, StoreUnavailable
from advertisex.stores.interruptible import GRACE

#: Seconds between two warnings about a cluster that does not accept writes.
_WARN_EVERY = 60.0
#: Seconds without success before the first warning.
_WARN_AFTER = 3.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Timeouts and pauses of requests to a cluster, in seconds.

    Attributes:
        request: timeout of a request. A retry is safe, but adds load to a busy cluster.
        query: how long a query is retried. A commit is retried until it succeeds.
        first_pause: pause before the first retry; it doubles with each one.
        longest_pause: longest pause while a cluster is unavailable. A retry costs little, and work resumes soon after
            it is back.
        longest_busy_pause: longest pause while a cluster asks for fewer requests (429).
        grace: how long a request may still take after an interrupt.
    """

    request: float = 60.0
    query: float = 10.0
    first_pause: float = 0.2
    longest_pause: float = 3.0
    longest_busy_pause: float = 30.0
    grace: float = GRACE


class Backoff:
    """Retries of one operation: growing pauses with jitter, until the time is up or it is stopped.

    Args:
        what: the operation, for messages.
        where: address of the cluster, for messages.
        policy: its pauses.
        seconds: how long to retry; None retries indefinitely.
        stops: events; any of them ends the retries at once.
        on_retry: called before each retry.
    """

    def __init__(
        self,
        what: str,
        where: str,
        policy: RetryPolicy,
        seconds: float | None,
        stops: Collection[threading.Event],
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._what, self._where, self._policy, self._stops, self._on_retry = what, where, policy, stops, on_retry
        self._since = time.monotonic()
        self._until = None if seconds is None else self._since + seconds
        self._warned: float | None = None
        self._next = policy.first_pause

    def pause(self, why: str, *, busy: bool = False, at_least: float = 0.0) -> None:
        """Wait before the next attempt.

        Args:
            why: reason why the last attempt failed, for messages.
            busy: whether the cluster asks for fewer requests.
            at_least: minimum pause in seconds, as requested by the cluster.

        Raises:
            StoreUnavailable: the time is up.
            StoreInterrupted: one of the stop events is set.
        """
        now = time.monotonic()
        if self._until is not None and now >= self._until:
            raise StoreUnavailable(
                f"cannot {self._what}: {why}",
                where=self._where,
                hint="check that Elasticsearch is running there and can be reached, then run this again",
            )
        warned = self._since + _WARN_AFTER - _WARN_EVERY if self._warned is None else self._warned
        if self._until is None and now - warned >= _WARN_EVERY:
            _log.warning(f"Waiting to {self._what}; nothing is lost", why=why, where=self._where)
            self._warned = now
        longest = self._policy.longest_busy_pause if busy else self._policy.longest_pause
        pause = max(min(self._next, longest) * random.uniform(0.5, 1.0), at_least)  # noqa: S311 - jitter
        self._next = min(self._next * 2, longest)
        self._sleep(pause if self._until is None else min(pause, max(self._until - now, 0.0)))
        self._on_retry()

    def progressed(self) -> None:
        """Reset the pauses, because some items succeeded."""
        self._next = self._policy.first_pause

    def done(self) -> None:
        """Log that the operation succeeded, if a warning was logged before."""
        if self._warned is not None:
            waited = round(time.monotonic() - self._since, 1)
            _log.info(f"Could {self._what} again", seconds=waited, where=self._where)

    def given_up(self) -> StoreInterrupted:
        """The exception for retries that were stopped."""
        return StoreInterrupted(
            f"stopped while waiting to {self._what}; the current batch was not committed",
            where=self._where,
            hint="run this again to continue from the ledger",
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
