"""What is measured while events flow, by the names that Prometheus recommends: units in the name, counters `_total`.

docs/monitoring.md lists every metric.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Final

import numpy as np
import polars as pl
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from advertisex.batches import Partition
from advertisex.processing.runner import Committed
from advertisex.stores.contract import EventStore

disable_created_metrics()  # type: ignore[no-untyped-call]  # Prometheus does not use them, and each would double a series

#: Seconds of a batch's work.
_WORK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: Seconds between an event and its ingestion; less than 0 is a clock that is ahead.
_DELAY_BUCKETS: Final = (0.0, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0)
_OUTCOMES = ("stored", "duplicate", "filtered", "rejected", "erased")


class Metrics:
    """Every metric of one process, in a registry of its own.

    Args:
        store: whose retries are told.
    """

    def __init__(self, store: EventStore) -> None:
        self.registry = CollectorRegistry()
        self._messages = Counter(
            "advertisex_messages", "Messages that were read and accounted for.", ["feed", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._redelivered = Counter(
            "advertisex_redelivered_messages", "Positions seen again after a crash, counted before.", ["feed"],
            registry=self.registry,
        )  # fmt: skip
        self._refused = Counter(
            "advertisex_refused_messages", "Rejected and filtered messages.", ["feed", "kind", "reason"],
            registry=self.registry,
        )  # fmt: skip
        self._work = Histogram(
            "advertisex_batch_duration_seconds", "Work on a batch; reading includes the wait for a message.", ["stage"],
            buckets=_WORK_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._sizes = Histogram(
            "advertisex_batch_messages", "Messages in a batch.",
            buckets=(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000), registry=self.registry,
        )  # fmt: skip
        self._committed = Gauge(
            "advertisex_last_commit_timestamp_seconds", "When a batch was last stored.", ["topic", "partition"],
            registry=self.registry,
        )  # fmt: skip
        self._lag = Gauge(
            "advertisex_lag_messages", "Messages in the log that are not processed yet.", ["topic", "partition"],
            registry=self.registry,
        )  # fmt: skip
        self._log_size = Gauge(
            "advertisex_log_size_bytes", "What the embedded log takes on disk.", registry=self.registry
        )
        self._ingested = Counter(
            "advertisex_ingested_messages", "Messages that this process appended to the log.", ["feed"],
            registry=self.registry,
        )  # fmt: skip
        self._source_failures = Counter(
            "advertisex_source_failures", "Failures of sources, as reported.", ["feed"], registry=self.registry
        )
        self._monitoring_failures = Counter(
            "advertisex_monitoring_failures", "Looks at the log or the store that failed.", registry=self.registry
        )
        Info("advertisex", "The program.", registry=self.registry).info({"version": version("advertisex")})
        ProcessCollector(registry=self.registry)
        self._delays = _Delays()
        self.registry.register(self._delays)
        self.registry.register(_Retries(store))

    def committed(self, batch: Committed) -> None:
        """Count a batch that is stored."""
        outcome, counts = batch.outcome, batch.counts
        for name in _OUTCOMES:
            self._messages.labels(outcome.feed, name).inc(getattr(counts, name))
        self._redelivered.labels(outcome.feed).inc(counts.redelivered)
        reasons = outcome.rejects.group_by("kind", "reason").len()
        for kind, reason, count in reasons.iter_rows():
            self._refused.labels(outcome.feed, kind, reason).inc(count)
        if store_refused := counts.filtered + counts.rejected - outcome.rejects.height:
            self._refused.labels(outcome.feed, "rejected", "store_refused").inc(store_refused)
        for stage in ("read", "process", "commit"):
            self._work.labels(stage).observe(getattr(batch.seconds, stage))
        self._sizes.observe(outcome.read)
        self._committed.labels(outcome.span.topic, outcome.span.partition).set_to_current_time()
        delays = (outcome.events["ingested_at"] - outcome.events["event_time"]).dt.total_microseconds() / 1e6
        self._delays.observe(outcome.feed, delays)

    def ingested(self, feed: str, messages: int) -> None:
        """Count messages that were appended to the log."""
        self._ingested.labels(feed).inc(messages)

    def source_failed(self, feed: str) -> None:
        """Count a failure of a source."""
        self._source_failures.labels(feed).inc()

    def look_failed(self) -> None:
        """Count a failure of the monitoring itself."""
        self._monitoring_failures.inc()

    def stands(self, lags: Mapping[Partition, int], log_size: int | None) -> None:
        """Take note how far processing is behind the log, and how large that is."""
        for partition, lag in lags.items():
            self._lag.labels(partition.topic, partition.partition).set(lag)
        if log_size is not None:
            self._log_size.set(log_size)


class _Delays:
    """The histogram of delays, filled by whole columns: a call for each event would cost more than storing it."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[np.ndarray, float]] = {}

    def observe(self, feed: str, seconds: pl.Series) -> None:
        """Count the delays of a batch's events (f64, seconds)."""
        values = seconds.to_numpy()
        places = np.searchsorted(np.array(_DELAY_BUCKETS), values, side="left")  # a bucket holds its upper bound
        counts = np.bincount(places, minlength=len(_DELAY_BUCKETS) + 1)
        before, total = self._seen.get(feed, (np.zeros_like(counts), 0.0))
        self._seen[feed] = (before + counts, total + float(values.clip(0.0).sum()))  # a sum of a histogram never falls

    def collect(self) -> Iterator[Metric]:
        """The histogram, as the registry asks for it."""
        family = HistogramMetricFamily(
            "advertisex_event_delay_seconds", "From an accepted event to its ingestion.", labels=["feed"]
        )
        bounds = [*map(str, _DELAY_BUCKETS), "+Inf"]
        for feed, (counts, total) in list(self._seen.items()):
            family.add_metric([feed], list(zip(bounds, np.cumsum(counts).tolist(), strict=True)), sum_value=total)
        yield family


class _Retries:
    """Asks the store how often it tried again."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """The counter, as the registry asks for it."""
        yield CounterMetricFamily(
            "advertisex_store_retries", "Requests to the store that were tried again.", value=self._store.retries
        )
