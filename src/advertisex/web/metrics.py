"""`/metrics` of the server: its requests, and what the store says. docs/dashboard.md lists every metric."""

from collections.abc import Iterator

import polars as pl
from fastapi import Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from advertisex.analysis.answer import horizons
from advertisex.analysis.scope import Scope
from advertisex.errors import AdvertiseXError
from advertisex.feeds import FEEDS
from advertisex.model import LedgerRow
from advertisex.monitoring.metrics import OUTCOMES, registry_of_process
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.times import micros_of
from advertisex.web.site import Site

#: Upper bounds of the duration of a request, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class RequestMetrics:
    """The requests of a server."""

    def __init__(self) -> None:
        self.registry = registry_of_process()
        self._requests = Counter(
            "advertisex_http_requests", "Requests, by status.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "advertisex_http_request_duration_seconds", "Time from a request to the end of its response.", ["route"],
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. Its route is the pattern of its path; clients cannot make up new ones."""
        self._requests.labels(method if method in _METHODS else "other", route, status).inc()
        self._seconds.labels(route).observe(seconds)


class _StoreMetrics:
    """Reads the store when metrics are collected."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def describe(self) -> list[Metric]:
        """Nothing: the registry would read the store for it."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Collect the metrics; called by the registry."""
        readable = GaugeMetricFamily("advertisex_store_readable", "1 if the store could be read.")
        try:
            with self._site.store() as store:
                found = [*_of_ledger(store.ledger()), _rejects(store), *_times(store)]
        except AdvertiseXError:
            found = []
        readable.add_metric([], float(bool(found)))
        yield from (readable, *found)


def _of_ledger(rows: list[LedgerRow]) -> Iterator[Metric]:
    place = ["topic", "partition"]
    messages = CounterMetricFamily(
        "advertisex_ledger_messages", "Messages in the ledger, by outcome.", labels=[*place, "outcome"]
    )
    lost = CounterMetricFamily("advertisex_ledger_lost_messages", "Offsets that the log did not give.", labels=place)
    offset = GaugeMetricFamily("advertisex_ledger_next_offset", "Offset that is processed next.", labels=place)
    balanced = GaugeMetricFamily("advertisex_ledger_balanced", "1 if the ledger balances.")
    for row in rows:
        of_row = [row.topic, str(row.partition)]
        for outcome in OUTCOMES:
            messages.add_metric([*of_row, outcome], getattr(row.counts, outcome))
        lost.add_metric(of_row, row.counts.lost)
        offset.add_metric(of_row, row.next_offset)
    balanced.add_metric([], all(row.counts.balanced for row in rows))
    yield from (messages, lost, offset, balanced)


def _rejects(store: EventStore) -> Metric:
    labels = ["feed", "kind", "reason"]
    found = GaugeMetricFamily("advertisex_open_rejects", "Rejects neither replayed nor resolved.", labels=labels)
    counts = store.reject_counts(RejectQuery(replayed=False, resolved=False))
    for *of_row, count in counts.group_by(labels).agg(pl.col("count").sum()).sort(labels).iter_rows():
        found.add_metric(of_row, count)
    return found


def _times(store: EventStore) -> Iterator[Metric]:
    horizon = GaugeMetricFamily(
        "advertisex_horizon_timestamp_seconds", "Event time up to which a feed is complete.", labels=["feed"]
    )
    for feed, time in horizons(store, Scope(), list(FEEDS)).items():
        if time is not None:
            horizon.add_metric([feed], micros_of(time) / 1e6)
    settled = GaugeMetricFamily("advertisex_store_settled_timestamp_seconds", "Time of the last commit or import.")
    if (time := store.settled()) is not None:
        settled.add_metric([], micros_of(time) / 1e6)
    yield from (horizon, settled)


def add_store(registry: CollectorRegistry, site: Site) -> None:
    """Let a registry collect the metrics of a site's store, too."""
    registry.register(_StoreMetrics(site))


def exposed(registry: CollectorRegistry, request: Request) -> Response:
    """Respond with the metrics of a registry, in the format that the client accepts."""
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Cache-Control": "no-store", "Content-Type": kind})
