"""Everything that watches a process which goes on for ever: a line for each batch, metrics, and where it stands."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import structlog

from advertisex.logs.contract import EventLog
from advertisex.monitoring.batch_lines import log_batch
from advertisex.monitoring.metrics import Metrics
from advertisex.monitoring.metrics_server import serving
from advertisex.monitoring.ticking import ticking
from advertisex.processing.lag import lags
from advertisex.processing.runner import Committed, Processing
from advertisex.settings import MetricsSettings
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)
#: Seconds between two looks at the end of the log.
_LAG_SECONDS = 5.0

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
    settings: MetricsSettings, store: EventStore, open_log: OpenLog, processing: Processing, *, lines: bool
) -> Iterator[Observer]:
    """Watch as long as the block runs.

    Args:
        settings: where metrics are served, if anywhere.
        store: that is written.
        open_log: opens the log once more, for a thread of its own.
        processing: whose topics are watched.
        lines: whether each batch is a line in the log.

    Raises:
        ConfigurationError: metrics cannot be served there.
    """
    metrics = Metrics(store)
    with ExitStack() as watching:
        if settings.port is not None:
            url = watching.enter_context(serving(metrics.registry, settings.host, settings.port))
            _LOG.info("metrics are served", url=url)
            topics = {feed.topic for feed in processing.feeds.values()}
            log = watching.enter_context(open_log())
            watching.enter_context(
                ticking(
                    "see how far processing is behind the log",
                    _LAG_SECONDS,
                    lambda: metrics.stands(lags(log, store, topics), log.size()),
                    metrics.look_failed,
                )
            )
        yield Observer(metrics, lines)
