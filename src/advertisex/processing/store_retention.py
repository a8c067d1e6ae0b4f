"""The retention of the store: when processing drops old periods, which events are expired, and what doctor says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from advertisex.model import Counts, Finding
from advertisex.processing.policy import Policy
from advertisex.stores.commit_time import Clock
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)
#: Days of the longest period of a store, a month.
_LONGEST_PERIOD = 31
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


def finding_of(store: EventStore, keep_days: int | None, now: datetime) -> Finding:
    """From when on the store keeps events, what it removed, and when it drops the next period."""
    kept_since = store.kept_since()
    wanted = None if keep_days is None else store.period_start(now - timedelta(days=keep_days))
    parts = ["everything is kept"]
    if kept_since is not None:
        total = sum((row.counts for row in store.ledger()), Counts())
        parts = [
            f"events before {kept_since:%Y-%m-%d} (UTC) are not kept",
            f"removed: {total.removed:,} events and {total.removed_rejects:,} rejects",
        ]
    if kept_since is not None and (wanted is None or wanted < kept_since):
        parts.append("store.keep_days now keeps more, but removed events do not come back")
    elif wanted is not None and kept_since is not None and wanted == kept_since and keep_days is not None:
        days = (kept_since + timedelta(days=number) for number in range(1, _LONGEST_PERIOD + 1))
        end = next(day for day in days if store.period_start(day) > kept_since)
        parts.append(f"events before {end:%Y-%m-%d} are dropped on {end + timedelta(days=keep_days):%Y-%m-%d}")
    elif wanted is not None:
        parts.append(f"the next `advertisex process` drops events before {wanted:%Y-%m-%d}")
    return Finding("store's retention", True, "; ".join(parts))
