"""Monitoring of a running process: a log line per batch, metrics and alerts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

import structlog

from advertisex.errors import StoreError
from advertisex.logs.contract import EventLog
from advertisex.monitoring.metrics import Metrics, serving
from advertisex.monitoring.monitor import Monitor, reached
from advertisex.processing.lag import lags
from advertisex.processing.periodic import periodic
from advertisex.processing.runner import Committed, Processing
from advertisex.processing.transaction_warnings import watching_transactions
from advertisex.settings.model import Settings
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)
#: Seconds between updates of the lag metrics.
_LAG_SECONDS = 5.0
#: Seconds between checks for a completed bucket.
_CHECK_SECONDS = 10.0

OpenLog = Callable[[], EventLog]


@dataclass(frozen=True, slots=True)
class Observer:
    """Receives the events of a running process.

    Attributes:
        metrics: the metrics to update.
        lines: whether to log each batch.
    """

    metrics: Metrics
    lines: bool

    def committed(self, batch: Committed) -> None:
        """Record a committed batch."""
        self.metrics.committed(batch)
        if self.lines:
            _log(batch)


def _log(batch: Committed) -> None:
    """Log the positions, counts and timings of a committed batch, but no user data."""
    span = batch.outcome.span
    _LOG.info(
        "batch stored",
        feed=batch.outcome.feed,
        topic=span.topic,
        partition=span.partition,
        start=span.start,
        end=span.end,
        **asdict(batch.counts),
        **{f"{stage}_seconds": round(seconds, 6) for stage, seconds in asdict(batch.seconds).items()},
    )


@contextmanager
def observing(
    settings: Settings,
    store: EventStore,
    open_log: OpenLog,
    processing: Processing,
    *,
    lines: bool,
    alerts: bool,
    clock: Clock = utc_now,
    check_seconds: float = _CHECK_SECONDS,
) -> Iterator[Observer]:
    """Serve metrics and evaluate alerts until the block exits.

    Args:
        settings: the settings of metrics and alerts.
        store: the event store.
        open_log: opens another connection to the log, for a background thread.
        processing: the feeds to monitor.
        lines: whether to log each batch.
        alerts: whether to evaluate alerts; only one process per store may do so.
        clock: returns the current time, naive UTC.
        check_seconds: seconds between two evaluations of the alerts.

    Raises:
        ConfigurationError: metrics cannot be served at this address, or an alert rule or channel is invalid.
    """
    metrics = Metrics(store)
    topics = [feed.topic for feed in processing.feeds.values()]
    with ExitStack() as watching:
        if alerts:
            monitor = Monitor(store, settings.alerts, zone=settings.times.zone)
            watching.enter_context(_alerting(monitor, store, open_log, topics, metrics, clock, check_seconds))
        watching.enter_context(watching_transactions(open_log, topics, metrics.monitoring_failed))
        if settings.metrics.port is not None:
            url = watching.enter_context(serving(metrics.registry, settings.metrics.host, settings.metrics.port))
            _LOG.info("metrics are served", url=url)
            watching.enter_context(_updating_lag(store, open_log, topics, metrics))
        yield Observer(metrics, lines)


@contextmanager
def _updating_lag(store: EventStore, open_log: OpenLog, topics: Sequence[str], metrics: Metrics) -> Iterator[None]:
    """Update the lag, and the start and the size of the log, in the background."""

    def measure() -> None:
        metrics.set_lag(lags(log, store, topics), log.held_back(topics))
        metrics.set_log(log.start_offsets(topics), log.size())

    with open_log() as log, periodic("measure the processing lag", _LAG_SECONDS, measure, metrics.monitoring_failed):
        yield


@contextmanager
def _alerting(
    monitor: Monitor,
    store: EventStore,
    open_log: OpenLog,
    topics: Sequence[str],
    metrics: Metrics,
    clock: Clock,
    seconds: float,
) -> Iterator[None]:
    """Evaluate alerts in the background."""

    def check() -> None:
        now = clock()
        monitor.check(now, reached(log, store, topics, now))

    def end() -> None:
        try:
            monitor.close(clock())
        except StoreError as error:
            _LOG.warning("could not save which alerts were sent; they may be sent again", error=str(error))

    with open_log() as log, periodic("evaluate alerts", seconds, check, metrics.monitoring_failed, end):
        yield
