"""The retention of the store while a log is processed: when it drops old periods, and which events are expired."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import structlog

from advertisex.model import Counts
from advertisex.processing.policy import Policy
from advertisex.stores.commit_time import Clock
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)
_PAUSE = timedelta(hours=1)

#: Called with what retention removed.
OnRemoved = Callable[[Counts], None]


class Retention:
    """Drops what is older than the setting `store.keep_days`, at most once an hour.

    Args:
        store: the store.
        keep_days: number of days before now that are kept; None drops nothing.
        clock: returns the current time.
        on_removed: called if anything was removed.

    Attributes:
        kept_since: the floor of the store, as of the last read.
    """

    def __init__(self, store: EventStore, keep_days: int | None, clock: Clock, on_removed: OnRemoved) -> None:
        self._store, self._keep_days, self._clock, self._on_removed = store, keep_days, clock, on_removed
        self._next = clock()
        self.refresh()

    def refresh(self) -> None:
        """Read the floor: another process may have raised it."""
        self.kept_since = self._store.kept_since()

    def drop_if_due(self) -> None:
        """Drop the periods that are over for long enough, if the last attempt was an hour ago.

        Raises:
            StoreError: the store cannot be written.
        """
        now = self._clock()
        if self._keep_days is None or now < self._next:
            return
        self._next = now + _PAUSE
        floor = self._store.period_start(now - timedelta(days=self._keep_days))
        removed = self._store.drop_before(floor)
        self.refresh()
        if removed != Counts():
            since = None if self.kept_since is None else self.kept_since.isoformat() + "Z"
            events, rejects = removed.removed, removed.removed_rejects
            _LOG.info("old events were removed", kept_since=since, events=events, rejects=rejects)
            self._on_removed(removed)

    def applied(self, policy: Policy) -> Policy:
        """The policy that also filters what the store no longer keeps."""
        return replace(policy, kept_since=self.kept_since)
