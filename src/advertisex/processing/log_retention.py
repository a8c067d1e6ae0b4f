"""Removes processed messages from the log, as the settings say how much of it is kept."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

import structlog

from advertisex.logs.contract import EventLog, Limits
from advertisex.model import Partition
from advertisex.processing.periodic import periodic
from advertisex.processing.retention_time import retention_time
from advertisex.settings.model import LogSettings
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.log_identity import is_same_append, positions_in
from advertisex.times import micros_of

_LOG = structlog.get_logger(__name__)
#: Longest time that one call removes messages, in seconds; the next call continues.
_RUN_SECONDS = 20.0
#: Seconds between the starts of two calls.
_SECONDS = 60.0


def limits_of(settings: LogSettings, now: datetime) -> Limits:
    """The limits at a time, naive UTC."""
    days = settings.keep_days
    before = None if days is None else micros_of(now - timedelta(days=days))
    return Limits(before, None if settings.keep_size is None else int(settings.keep_size))


def processed_in(store: EventStore, log: EventLog) -> dict[Partition, int]:
    """The ledger's next offset of each partition whose ledger row belongs to this log, and not to a later copy of it.

    Raises:
        LogError: the log cannot be read.
        StoreError: the store cannot be read.
    """
    ledger = store.ledger()
    logs = log.identities({row.topic for row in ledger})
    positions = positions_in(ledger)
    appends = log.append_ids(positions)
    return {
        of: row.next_offset
        for of, row in zip(positions, ledger, strict=True)
        if row.log and row.log == logs.get(row.topic) and is_same_append(row.append_id, appends.get(of, ""))
    }


@dataclass(frozen=True, slots=True)
class LogRemoval:
    """What a call of `LogRetention.apply` did.

    Attributes:
        messages: number of messages removed.
        overdue: whether messages are kept beyond the limits because they are not processed.
    """

    messages: int
    overdue: bool


class LogRetention:
    """Keeps the log within the limits of the settings; messages that the store has not processed are never removed.

    Args:
        log: the log; `prunable`.
        store: the store that this process commits to.
        settings: the limits.
        clock: returns the current time, naive UTC.
    """

    def __init__(self, log: EventLog, store: EventStore, settings: LogSettings, clock: Clock = utc_now) -> None:
        self._log, self._store, self._settings, self._clock = log, store, settings, clock
        self._overdue = self._warned = False

    def apply(self, stop: Event) -> LogRemoval:
        """Remove processed messages beyond the limits, in short steps between which others can append.

        Args:
            stop: when set, no further step is begun.

        Raises:
            LogError: the log cannot be read or written.
            StoreError: the store cannot be read.
        """
        now, topics = self._clock(), {of.topic for of in self._log.end_offsets()}
        counted = retention_time(now, self._store, self._log, topics)
        if counted is None:
            return LogRemoval(0, overdue=False)
        processed, limits = processed_in(self._store, self._log), limits_of(self._settings, counted)
        removed, began = 0, time.monotonic()
        while not stop.is_set() and time.monotonic() < began + _RUN_SECONDS:
            started = time.monotonic()
            step = self._log.prune(processed, limits)
            removed += step
            if not step:
                break
            stop.wait(time.monotonic() - started)  # leaves half of the time to appends
        if removed:
            _LOG.info("processed messages were removed from the log", messages=removed)
        overdue = self._log.overdue(processed, limits_of(self._settings, now))
        self._warn(overdue=overdue)
        return LogRemoval(removed, overdue)

    def _warn(self, *, overdue: bool) -> None:
        """Log a warning the second time in a row that processing is behind: at a start, it often is."""
        if overdue and self._overdue and not self._warned:
            _LOG.warning("the log is beyond log.keep_days or log.keep_size: processing is behind, nothing is removed")
        self._warned = overdue and self._overdue
        self._overdue = overdue


@contextmanager
def retaining(
    settings: LogSettings,
    store: EventStore,
    open_log: Callable[[], EventLog],
    stop: Event,
    on_removal: Callable[[LogRemoval], None] = lambda removal: None,
    on_failure: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Remove processed messages beyond the limits: at the start, every minute, and at the end, in the background.

    Args:
        settings: the limits; without any, nothing happens.
        store: the store that this process commits to.
        open_log: opens another connection to the log, for the background thread.
        stop: once set, nothing more is removed.
        on_removal: called with what each call did.
        on_failure: called after each call that failed.
    """
    if settings.keep_days is None and settings.keep_size is None:
        yield
        return
    with open_log() as log:
        retention = LogRetention(log, store, settings)

        def apply() -> None:
            if not stop.is_set():
                on_removal(retention.apply(stop))

        with periodic("remove processed messages from the log", _SECONDS, apply, on_failure, apply):
            yield
