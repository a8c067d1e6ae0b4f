"""Everything that watches a process which goes on for ever: a line for each batch, metrics, and alerts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import structlog

from advertisex.errors import StoreError
from advertisex.logs.contract import EventLog
from advertisex.monitoring.batch_lines import log_batch
from advertisex.monitoring.metrics import Metrics
from advertisex.monitoring.metrics_server import serving
from advertisex.monitoring.monitor import Monitor, reached
from advertisex.monitoring.ticking import periodic
from advertisex.processing.lag import lags
from advertisex.processing.runner import Committed, Processing
from advertisex.settings import AlertSettings, Settings
from advertisex.stores.contract import EventStore
from advertisex.stores.stamp import utc_now

_LOG = structlog.get_logger(__name__)
#: Seconds between two looks at the end of the log.
_LAG_SECONDS = 5.0
#: Seconds between two looks whether a bucket of time is over.
_LOOK_SECONDS = 10.0

OpenLog = Callable[[], EventLog]


@dataclass(frozen=True, slots=True)
class Observer:
    """Told what happens.

    Attributes:
        metrics: that are served.
        lines: whether each batch is a line in the log.
    """

    metrics: Metrics
    lines: bool

    def committed(self, batch: Committed) -> None:
        """Take note of a batch that is stored."""
        self.metrics.committed(batch)
        if self.lines:
            log_batch(batch)


@contextmanager
def observing(
    settings: Settings, store: EventStore, open_log: OpenLog, processing: Processing, *, lines: bool, alerts: bool
) -> Iterator[Observer]:
    """Watch as long as the block runs.

    Args:
        settings: where metrics are served, if anywhere; which alerts there are.
        store: that is written.
        open_log: opens the log once more, for a thread of its own.
        processing: whose topics are watched.
        lines: whether each batch is a line in the log.
        alerts: whether what comes in is judged; only one process may do that for a store.

    Raises:
        ConfigurationError: metrics cannot be served there; a rule or a channel of the alerts is wrong.
    """
    metrics = Metrics(store)
    topics = [feed.topic for feed in processing.feeds.values()]
    with ExitStack() as watching:
        if alerts:
            watching.enter_context(_alerting(settings.alerts, store, open_log, topics, metrics))
        if settings.metrics.port is not None:
            url = watching.enter_context(serving(metrics.registry, settings.metrics.host, settings.metrics.port))
            _LOG.info("metrics are served", url=url)
            watching.enter_context(_standing(store, open_log, topics, metrics))
        yield Observer(metrics, lines)


@contextmanager
def _standing(store: EventStore, open_log: OpenLog, topics: Sequence[str], metrics: Metrics) -> Iterator[None]:
    """Keep the metrics of the log up to date."""
    with (
        open_log() as log,
        periodic(
            "see how far processing is behind the log",
            _LAG_SECONDS,
            lambda: metrics.stands(lags(log, store, topics), log.size()),
            metrics.look_failed,
        ),
    ):
        yield


@contextmanager
def _alerting(
    settings: AlertSettings, store: EventStore, open_log: OpenLog, topics: Sequence[str], metrics: Metrics
) -> Iterator[None]:
    """Judge what comes in, and have alerts sent."""
    monitor = Monitor(store, settings)

    def look() -> None:
        now = utc_now()
        monitor.look(now, reached(log, store, topics, now))

    def end() -> None:
        try:
            monitor.close(utc_now())
        except StoreError as error:
            _LOG.warning("cannot note which alerts were sent: they may be sent again", error=str(error))

    with open_log() as log, periodic("judge what came in", _LOOK_SECONDS, look, metrics.look_failed, end):
        yield
