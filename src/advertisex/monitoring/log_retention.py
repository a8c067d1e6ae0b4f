"""Keeps the embedded log within its limits while a process runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from advertisex.logs.contract import EventLog
from advertisex.monitoring.metrics import Metrics
from advertisex.monitoring.periodic import periodic
from advertisex.processing.log_retention import LogRetention
from advertisex.settings.model import LogSettings
from advertisex.stores.contract import EventStore

#: Seconds between the starts of two removals.
_SECONDS = 60.0


@contextmanager
def retaining(
    settings: LogSettings,
    store: EventStore,
    open_log: Callable[[], EventLog],
    stop: Event,
    metrics: Metrics | None = None,
) -> Iterator[None]:
    """Remove processed messages beyond the limits: at the start, every minute, and at the end, in the background.

    Args:
        settings: the limits; without any, nothing happens.
        store: the store that this process commits to.
        open_log: opens another connection to the log, for the background thread.
        stop: once set, nothing more is removed.
        metrics: where removals are counted.
    """
    if settings.keep_days is None and settings.keep_size is None:
        yield
        return
    failed = (lambda: None) if metrics is None else metrics.monitoring_failed
    with open_log() as log:
        retention = LogRetention(log, store, settings)

        def apply() -> None:
            if stop.is_set():
                return
            removal = retention.apply(stop)
            if metrics is not None:
                metrics.removed_from_log(removal)

        with periodic("remove processed messages from the log", _SECONDS, apply, failed, apply):
            yield
