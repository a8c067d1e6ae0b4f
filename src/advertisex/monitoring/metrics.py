"""Prometheus metrics, and the HTTP server of `/metrics`.

Names follow Prometheus' conventions: base units in the name, `_total` for counters. docs/run.md lists every metric.
"""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from advertisex.errors import ConfigurationError
from advertisex.logs.contract import HeldBack
from advertisex.model import Counts, Partition
from advertisex.processing.log_retention import LogRemoval
from advertisex.processing.runner import Committed
from advertisex.reasons import reason_of
from advertisex.stores.contract import EventStore

disable_created_metrics()  # type: ignore[no-untyped-call]  # unused by Prometheus, and doubles the series

#: Upper bounds of the batch duration, in seconds.
_WORK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: Upper bounds of the delay between an event and its ingestion, in seconds; up to 0 means a clock that is ahead.
_DELAY_BUCKETS: Final = (0.0, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0)
#: What becomes of a message; these counts of the ledger add up to the messages read.
OUTCOMES = ("stored", "duplicate", "filtered", "rejected", "erased")


def registry_of_process() -> CollectorRegistry:
    """Return a registry with the version of the program, and with memory, CPU time and open files of the process."""
    registry = CollectorRegistry()
    Info("advertisex", "Version of AdvertiseX.", registry=registry).info({"version": version("advertisex")})
    ProcessCollector(registry=registry)
    return registry


class Metrics:
    """The metrics of one process, in a separate registry.

    Args:
        store: the store whose retries are reported.
    """

    def __init__(self, store: EventStore) -> None:
        self.registry = registry_of_process()
        self._messages = Counter(
            "advertisex_messages", "Messages processed, by outcome.", ["feed", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._redelivered = Counter(
            "advertisex_redelivered_messages", "Messages processed again after a crash; already counted.", ["feed"],
            registry=self.registry,
        )  # fmt: skip
        self._lost = Counter(
            "advertisex_lost_messages", "Offsets that the log no longer gave: removed unread, or damaged and skipped.",
            ["feed"],
            registry=self.registry,
        )  # fmt: skip
        self._rejected = Counter(
            "advertisex_rejected_messages", "Rejected and filtered messages and conflicting duplicates, by reason.",
            ["feed", "kind", "reason"],
            registry=self.registry,
        )  # fmt: skip
        self._dropped = Counter(
            "advertisex_store_removed", "Events and rejects that retention removed from the store.", ["kind"],
            registry=self.registry,
        )  # fmt: skip
        self._work = Histogram(
            "advertisex_batch_duration_seconds", "Time per batch and stage; reading includes waiting.", ["stage"],
            buckets=_WORK_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._sizes = Histogram(
            "advertisex_batch_messages", "Messages in a batch.",
            buckets=(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000), registry=self.registry,
        )  # fmt: skip
        self._committed = Gauge(
            "advertisex_last_commit_timestamp_seconds", "Time of the last commit.", ["topic", "partition"],
            registry=self.registry,
        )  # fmt: skip
        self._lag = Gauge(
            "advertisex_lag_messages", "Messages in the log that are not yet processed.", ["topic", "partition"],
            registry=self.registry,
        )  # fmt: skip
        self._held_back = Gauge(
            "advertisex_held_back_messages", "Messages that open transactions hold back, at most.",
            ["topic", "partition"], registry=self.registry,
        )  # fmt: skip
        self._log_size = Gauge("advertisex_log_size_bytes", "Size of the embedded log on disk.", registry=self.registry)
        self._log_start = Gauge(
            "advertisex_log_start_offset", "First offset that the log has.", ["topic", "partition"],
            registry=self.registry,
        )  # fmt: skip
        self._log_removed = Counter(
            "advertisex_log_removed_messages", "Processed messages that this process removed from the embedded log.",
            registry=self.registry,
        )  # fmt: skip
        self._log_overdue = Gauge(
            "advertisex_log_overdue",
            "1 if unprocessed messages keep the log beyond its limits.",
            registry=self.registry,
        )
        self._ingested = Counter(
            "advertisex_ingested_messages", "Messages appended to the log by this process.", ["feed"],
            registry=self.registry,
        )  # fmt: skip
        self._source_failures = Counter(
            "advertisex_source_failures", "Failures of sources.", ["feed"], registry=self.registry
        )
        self._source_successes = Gauge(
            "advertisex_source_last_success_timestamp_seconds", "Time of the last poll of a source without a failure.",
            ["source", "feed"],
            registry=self.registry,
        )  # fmt: skip
        self._monitoring_failures = Counter(
            "advertisex_monitoring_failures", "Failed checks of the log or the store.", registry=self.registry
        )
        self._delays = _Delays()
        self.registry.register(self._delays)
        self.registry.register(_Retries(store))

    def committed(self, batch: Committed) -> None:
        """Count a committed batch."""
        outcome, counts = batch.outcome, batch.counts
        for name in OUTCOMES:
            self._messages.labels(outcome.feed, name).inc(getattr(counts, name))
        self._redelivered.labels(outcome.feed).inc(counts.redelivered)
        self._lost.labels(outcome.feed).inc(counts.lost)
        reasons = outcome.rejects.group_by("kind", "reason").len()
        for kind, reason, count in reasons.iter_rows():
            self._rejected.labels(outcome.feed, kind, reason).inc(count)
        if rejected_by_store := counts.filtered + counts.rejected - outcome.rejects.height:
            self._rejected.labels(outcome.feed, "rejected", "store_rejected").inc(rejected_by_store)
        if counts.conflict:
            self._rejected.labels(outcome.feed, "conflict", "conflicting_duplicate").inc(counts.conflict)
        for stage in ("read", "process", "commit"):
            self._work.labels(stage).observe(getattr(batch.seconds, stage))
        self._sizes.observe(outcome.read)
        self._committed.labels(outcome.span.topic, outcome.span.partition).set_to_current_time()
        delays = (outcome.events["ingested_at"] - outcome.events["event_time"]).dt.total_microseconds() / 1e6
        self._delays.observe(outcome.feed, delays)

    def dropped(self, counts: Counts) -> None:
        """Count what was removed from the store."""
        self._dropped.labels("event").inc(counts.removed)
        self._dropped.labels("reject").inc(counts.removed_rejects)

    def ingested(self, feed: str, messages: int) -> None:
        """Count messages appended to the log."""
        self._ingested.labels(feed).inc(messages)

    def source_failed(self, feed: str) -> None:
        """Count a source failure."""
        self._source_failures.labels(feed).inc()

    def source_succeeded(self, source: str, feed: str, seconds: float) -> None:
        """Set when a source was last polled without a failure, in seconds since the epoch."""
        self._source_successes.labels(source, feed).set(seconds)

    def monitoring_failed(self) -> None:
        """Count a failed check of the log or the store."""
        self._monitoring_failures.inc()

    def removed_from_log(self, removal: LogRemoval) -> None:
        """Count messages removed from the log, and set whether processing is too far behind to remove more."""
        self._log_removed.inc(removal.messages)
        self._log_overdue.set(removal.overdue)

    def set_lag(self, lags: Mapping[Partition, int], held_back: Mapping[Partition, HeldBack]) -> None:
        """Set the processing lag of each partition, and what open transactions hold back."""
        for partition, lag in lags.items():
            held = held_back.get(partition)
            self._lag.labels(partition.topic, partition.partition).set(lag)
            self._held_back.labels(partition.topic, partition.partition).set(0 if held is None else held.offsets)

    def set_log(self, starts: Mapping[Partition, int], log_size: int | None) -> None:
        """Set the first offset of each partition, and the size of the log in bytes if known."""
        for partition, start in starts.items():
            self._log_start.labels(partition.topic, partition.partition).set(start)
        if log_size is not None:
            self._log_size.set(log_size)


class _Delays:
    """Histogram of event delays, filled per batch: one call per event would cost more than storing the event."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[np.ndarray, float]] = {}

    def observe(self, feed: str, seconds: pl.Series) -> None:
        """Add the delays of a batch (f64, seconds)."""
        values = seconds.to_numpy()
        places = np.searchsorted(np.array(_DELAY_BUCKETS), values, side="left")  # upper bounds are inclusive
        counts = np.bincount(places, minlength=len(_DELAY_BUCKETS) + 1)
        before, total = self._seen.get(feed, (np.zeros_like(counts), 0.0))
        # the sum of a histogram must not decrease, so negative delays count as 0
        self._seen[feed] = (before + counts, total + float(values.clip(0.0).sum()))

    def collect(self) -> Iterator[Metric]:
        """Collect the histogram; called by the registry."""
        family = HistogramMetricFamily(
            "advertisex_event_delay_seconds", "Time between an accepted event and its ingestion.", labels=["feed"]
        )
        bounds = [*map(str, _DELAY_BUCKETS), "+Inf"]
        for feed, (counts, total) in list(self._seen.items()):
            family.add_metric([feed], list(zip(bounds, np.cumsum(counts).tolist(), strict=True)), sum_value=total)
        yield family


class _Retries:
    """Counter of the store's retries."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Collect the counter; called by the registry."""
        yield CounterMetricFamily(
            "advertisex_store_retries", "Retried requests to the store.", value=self._store.retries
        )


@contextmanager
def serving(registry: CollectorRegistry, host: str, port: int) -> Iterator[str]:
    """Serve the metrics of a registry from a background thread until the block exits.

    Args:
        registry: the registry.
        host: address to listen on.
        port: port to listen on; 0 picks a free one.

    Yields:
        The URL of the metrics.

    Raises:
        ConfigurationError: the address is not available, or the port is in use.
    """
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise ConfigurationError(
            f"cannot serve metrics: {reason_of(error)}",
            where=f"{host}:{port}",
            hint="choose another port with --metrics-port" if taken else "check the setting metrics.host",
            setting=() if taken else ("metrics", "host"),
        ) from error
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
