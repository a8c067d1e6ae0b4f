"""Removes processed messages from the log, as the settings say how much of it is kept."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

import structlog

from advertisex.logs.contract import EventLog, Limits
from advertisex.model import Partition
from advertisex.settings.model import LogSettings
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import EventStore
from advertisex.times import micros_of

_LOG = structlog.get_logger(__name__)
#: Longest time that one call removes messages, in seconds; the next call continues.
_RUN_SECONDS = 20.0


def limits_of(settings: LogSettings, now: datetime) -> Limits:
    """The limits at a time, naive UTC."""
    days = settings.keep_days
    before = None if days is None else micros_of(now - timedelta(days=days))
    return Limits(before, None if settings.keep_size is None else int(settings.keep_size))


def processed_in(store: EventStore, log: EventLog) -> dict[Partition, int]:
    """The ledger's next offset of each partition whose ledger row belongs to this log.

    Raises:
        LogError: the log cannot be read.
        StoreError: the store cannot be read.
    """
    ledger = store.ledger()
    logs = log.identities({row.topic for row in ledger})
    return {
        Partition(row.topic, row.partition): row.next_offset
        for row in ledger
        if row.log and row.log == logs.get(row.topic)
    }


@dataclass(frozen=True, slots=True)
class Removal:
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

    def apply(self, stop: Event) -> Removal:
        """Remove processed messages beyond the limits, in short steps between which others can append.

        Args:
            stop: when set, no further step is begun.

        Raises:
            LogError: the log cannot be read or written.
            StoreError: the store cannot be read.
        """
        processed, limits = processed_in(self._store, self._log), limits_of(self._settings, self._clock())
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
        overdue = self._log.overdue(processed, limits)
        self._warn(overdue=overdue)
        return Removal(removed, overdue)

    def _warn(self, *, overdue: bool) -> None:
        """Log a warning the second time in a row that processing is behind: at a start, it often is."""
        if overdue and self._overdue and not self._warned:
            _LOG.warning("the log is beyond log.keep_days or log.keep_size: processing is behind, nothing is removed")
        self._warned = overdue and self._overdue
        self._overdue = overdue
