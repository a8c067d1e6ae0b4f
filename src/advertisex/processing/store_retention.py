"""The retention of the store: when processing drops old periods, which events are expired, and what doctor says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from advertisex.errors import LogUnavailable, StoreError
from advertisex.model import Counts, Finding
from advertisex.processing.policy import Policy
from advertisex.stores.commit_time import Clock
from advertisex.stores.contract import EventStore
from advertisex.stores.retention import removed_before

_LOG = structlog.get_logger(__name__)
#: Days of the longest period of a store, a month.
_LONGEST_PERIOD = 31
_PAUSE = timedelta(hours=1)
_FUTURE_HINT = "set the clock; if it is right now, run `advertisex rebuild`: the new store starts without that time"

#: Called with what retention removed.
OnRemoved = Callable[[Counts], None]
#: Returns the time from which retention counts back, given that of the clock, see `retention_time`.
CountedFrom = Callable[[datetime], datetime | None]


class StoreRetention:
    """Drops what is older than the setting `store.keep_days`, at most once an hour.

    Args:
        store: the store.
        keep_days: number of days before now that are kept; None drops nothing.
        clock: returns the current time.
        counted_from: see `CountedFrom`.
        on_removed: called if anything was removed.

    Attributes:
        kept_since: the floor of the store, as of the last read.
    """

    def __init__(
        self,
        store: EventStore,
        keep_days: int | None,
        clock: Clock,
        counted_from: CountedFrom,
        on_removed: OnRemoved,
    ) -> None:
        self._store, self._keep_days, self._clock = store, keep_days, clock
        self._counted_from, self._on_removed = counted_from, on_removed
        self._last: datetime | None = None
        self._waits_for_data = False
        self.refresh()

    def refresh(self) -> None:
        """Read the floor: another process may have raised it."""
        self.kept_since = self._store.kept_since()

    def drop_if_due(self, *, idle: bool = False) -> None:
        """Drop the periods that are over for long enough, if the last attempt was an hour ago.

        Args:
            idle: whether no message has been read since the last call.

        Raises:
            StoreError: the store cannot be written, or keeps nothing before a time in the future.
            LogError: the log cannot be read. While its server does not respond, nothing is dropped.
        """
        now = self._clock()
        is_due = self._last is None or not self._last <= now < self._last + _PAUSE  # the clock may also jump back
        if not is_due or (idle and self._waits_for_data):
            return
        self.refresh()
        if self.kept_since is not None and self.kept_since > now:
            raise StoreError(_future(self.kept_since), hint=_FUTURE_HINT)
        try:
            counted = now if self._keep_days is None else self._counted_from(now)
        except LogUnavailable:
            self._last = now
            return
        self._waits_for_data = counted is None
        if counted is None:
            return
        self._last = now
        if self._keep_days is not None:
            _warn_of_clock(now, counted)
            self._drop_before(self._store.period_start(counted - timedelta(days=self._keep_days)))

    def _drop_before(self, floor: datetime) -> None:
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


def finding_of(store: EventStore, keep_days: int | None, now: datetime, counted: datetime | None) -> Finding:
    """From when on the store keeps events, what it removed, and when it drops the next period.

    Args:
        store: the store.
        keep_days: the setting.
        now: the time of the clock.
        counted: the time from which retention counts back.
    """
    what, kept_since = "store's retention", store.kept_since()
    if kept_since is not None and kept_since > now:
        return Finding(what, False, _future(kept_since), _FUTURE_HINT)
    parts = [_kept(store, kept_since)]
    if counted is not None and keep_days is not None:
        parts += _next_drop(store, keep_days, counted, kept_since)
        if counted < now:
            parts.append(f"counted from {counted:%Y-%m-%d %H:%M} UTC, since there is nothing newer")
    elif keep_days is None and kept_since is not None:
        parts.append(_keeps_more(kept_since))
    return Finding(what, True, "; ".join(parts))


def _kept(store: EventStore, kept_since: datetime | None) -> str:
    if kept_since is None:
        return "everything is kept"
    if removed_before(store) is None:
        return f"nothing was removed yet; events before {kept_since:%Y-%m-%d} (UTC) are filtered"
    total = sum((row.counts for row in store.ledger()), Counts())
    removed = f"removed: {total.removed:,} events and {total.removed_rejects:,} rejects"
    return f"events before {kept_since:%Y-%m-%d} (UTC) are not kept; {removed}"


def _next_drop(store: EventStore, keep_days: int, counted: datetime, kept_since: datetime | None) -> list[str]:
    wanted = store.period_start(counted - timedelta(days=keep_days))
    if kept_since is None or wanted > kept_since:
        return [f"the next `advertisex process` drops events before {wanted:%Y-%m-%d}"]
    if wanted < kept_since:
        return [_keeps_more(kept_since)]
    days = (kept_since + timedelta(days=number) for number in range(1, _LONGEST_PERIOD + 1))
    end = next(day for day in days if store.period_start(day) > kept_since)
    return [f"events before {end:%Y-%m-%d} are dropped on {end + timedelta(days=keep_days):%Y-%m-%d}"]


def _keeps_more(kept_since: datetime) -> str:
    return f"store.keep_days now keeps more, but only of events from {kept_since:%Y-%m-%d} on"


def _future(kept_since: datetime) -> str:
    return f"the store keeps nothing before {kept_since:%Y-%m-%d} (UTC), which is in the future: the clock was changed"


def _warn_of_clock(now: datetime, counted: datetime) -> None:
    if counted < now:
        _LOG.warning(
            "the clock is more than a day after the newest message and the last commit: store.keep_days counts from "
            "an earlier time",
            clock=now.isoformat() + "Z",
            counted_from=counted.isoformat() + "Z",
        )
