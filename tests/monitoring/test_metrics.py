"""Prometheus metrics of real batches in a real store, scraped over HTTP and parsed by Prometheus' own parser."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from advertisex.errors import ConfigurationError, LogError
from advertisex.feeds import FEEDS
from advertisex.ingestion.configured import FeedSource
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Counts
from advertisex.monitoring.metrics import Metrics, serving
from advertisex.monitoring.observing import Observer, observing
from advertisex.processing.log_retention import retaining
from advertisex.processing.periodic import periodic
from advertisex.processing.runner import Processing, process_log
from advertisex.service import run_service
from advertisex.settings.model import LogSettings, MetricsSettings, Settings
from advertisex.stores.contract import Range, RejectQuery
from advertisex.stores.duckdb.store import DuckdbStore

SETTINGS = Settings(metrics=MetricsSettings(port=0))

Samples = dict[tuple[str, ...], float]


def impression(number: int, **more: Any) -> bytes:
    time = datetime.now(UTC) - timedelta(seconds=90)
    good = {"user_id": f"u{number}", "timestamp": time.isoformat(), "website": "a.example.com", "creative_id": "c"}
    return json.dumps(good | more).encode()


def scraped(url: str) -> tuple[Samples, dict[str, str]]:
    """The samples by name and label values (ordered by label name), and the type of each family."""
    answer = httpx.get(url)
    assert answer.headers["content-type"].startswith("text/plain")
    families = list(text_string_to_metric_families(answer.text))
    samples = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    assert families
    assert [family.name for family in families if not family.documentation] == []
    return samples, {family.name: family.type for family in families}


@contextmanager
def observed(folder: Path) -> Iterator[tuple[SqliteLog, DuckdbStore, Observer, Callable[[], Samples]]]:
    """A log, a store, and a function that scrapes their metrics."""
    with SqliteLog(folder / "log.db") as log, DuckdbStore(folder / "store.duckdb") as store:
        again = partial(SqliteLog, folder / "log.db")
        with (
            capture_logs() as logged,
            observing(SETTINGS, store, again, Processing(FEEDS), lines=True, alerts=False) as observer,
        ):
            (url,) = (line["url"] for line in logged if line["event"] == "metrics are served")
            yield log, store, observer, lambda: scraped(url)[0]


def test_message_counts_match_the_ledger_and_the_rejects(tmp_path: Path) -> None:
    with observed(tmp_path) as (log, store, observer, scrape):
        good = [impression(i) for i in range(20)]
        log.append("ad_impressions", [*good, b"{", impression(99, user_id="-5"), impression(98, user_id=""), good[3]])
        process_log(log, store, Processing(FEEDS, batch_size=7), on_commit=observer.committed)
        conflicting = [good[3][:-1] + b', "app": "x"}', good[4][:-1] + b', "placement": "x"}']
        log.append("ad_impressions", good + conflicting)
        process_log(log, store, Processing(FEEDS, batch_size=7), on_commit=observer.committed)
        found = scrape()

        (row,) = store.ledger()
        assert row.counts == Counts(read=46, stored=20, duplicate=23, filtered=1, rejected=2, conflict=2)
        for outcome in ("stored", "duplicate", "filtered", "rejected"):
            sample = found["advertisex_messages_total", "impressions", outcome]
            assert sample == getattr(row.counts, outcome), outcome
        rejected = {key[1:]: value for key, value in found.items() if key[0] == "advertisex_rejected_messages_total"}
        by_reason = store.rejects(RejectQuery()).group_by("feed", "kind", "reason").len()
        assert rejected == {tuple(key): count for *key, count in by_reason.iter_rows()}
        assert rejected["impressions", "conflict", "conflicting_duplicate"] == 2
        assert found["advertisex_batch_messages_sum",] == 46
        assert found["advertisex_batch_messages_count",] == 8
        for stage in ("read", "process", "commit"):
            assert found["advertisex_batch_duration_seconds_count", stage] == 8
            assert found["advertisex_batch_duration_seconds_sum", stage] > 0


def test_delays_are_counted_in_the_right_buckets(tmp_path: Path) -> None:
    ago = [-30.0, 0.05, 0.5, 20.0, 20.0, 4000.0]
    now = datetime.now(UTC)
    with observed(tmp_path) as (log, store, observer, scrape):
        times = [(now - timedelta(seconds=seconds)).isoformat() for seconds in ago]
        log.append("ad_impressions", [impression(i, timestamp=time) for i, time in enumerate(times)])
        process_log(log, store, Processing(FEEDS), on_commit=observer.committed)
        found = scrape()
        stored = pl.concat(store.scan("impressions", ["ingested_at", "event_time"], Range()))
        delays = (stored["ingested_at"] - stored["event_time"]).dt.total_microseconds() / 1e6

        buckets = {key[2]: v for key, v in found.items() if key[0] == "advertisex_event_delay_seconds_bucket"}
        assert len(buckets) == 13
        assert buckets == {bound: float((delays <= float(bound)).sum()) for bound in buckets}
        assert found["advertisex_event_delay_seconds_count", "impressions"] == len(ago)
        total = found["advertisex_event_delay_seconds_sum", "impressions"]
        assert total == pytest.approx(delays.clip(0, None).sum())


def test_lag_and_log_size_are_available_before_anything_is_processed(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        log.append("ad_impressions", [impression(i) for i in range(30)])
    with observed(tmp_path) as (log, store, observer, scrape):
        until = time.monotonic() + 60
        while ("advertisex_lag_messages", "0", "ad_impressions") not in (found := scrape()):
            assert time.monotonic() < until, "the lag is not measured"
        assert found["advertisex_lag_messages", "0", "ad_impressions"] == 30
        assert found["advertisex_log_size_bytes",] == log.size() > 0
        assert found["advertisex_log_start_offset", "0", "ad_impressions"] == 0
        process_log(log, store, Processing(FEEDS), on_commit=observer.committed)
        assert scrape()["advertisex_last_commit_timestamp_seconds", "0", "ad_impressions"] > 1.7e9


def test_names_and_types_follow_the_prometheus_conventions(tmp_path: Path) -> None:
    with DuckdbStore(tmp_path / "s") as store, serving(Metrics(store).registry, "127.0.0.1", 0) as url:
        _, types = scraped(url)
        text = httpx.get(url).text
    ours = {name: kind for name, kind in types.items() if name.startswith("advertisex")}
    assert len(ours) == 21
    for name, kind in ours.items():
        assert (f"{name}_total" in text) == (kind == "counter"), name
        assert not name.endswith(("_ms", "_milliseconds", "_minutes", "_kb")), name


def test_the_guide_lists_exactly_the_metrics(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "run.md").read_text()
    with DuckdbStore(tmp_path / "s") as store:
        families = [f for f in Metrics(store).registry.collect() if f.name.startswith("advertisex")]
    documented = {line.split("`")[1] for line in guide.splitlines() if line.startswith("| `advertisex_")}
    ends = {"counter": "_total", "info": "_info"}
    assert documented == {family.name + ends.get(family.type, "") for family in families}


def test_a_used_port_and_an_unavailable_address_are_rejected(tmp_path: Path) -> None:
    with DuckdbStore(tmp_path / "s") as store, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        registry = Metrics(store).registry
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=r"in use .*choose another port") as caught:
            serving(registry, "127.0.0.1", port).__enter__()
        assert caught.value.where == f"127.0.0.1:{port}"
        with pytest.raises(ConfigurationError, match=r"check the setting metrics\.host"):
            serving(registry, "192.0.2.1", 0).__enter__()


def test_a_periodic_task_survives_failures_and_logs_each_once() -> None:
    failures = iter(["a", "a", "b", "", "b"])
    done, failed = Event(), list[None]()

    def tick() -> None:
        if why := next(failures, "end"):
            if why == "end":
                done.set()
                return
            raise LogError(why)

    with capture_logs() as logged, periodic("look", 0.01, tick, lambda: failed.append(None)):
        assert done.wait(60), "the task was not repeated"
    assert [line["error"] for line in logged] == ["a", "b", "b"]
    assert {line["event"] for line in logged} == {"could not look; will retry"}
    assert len(failed) == 4


def test_removals_from_the_log_are_counted(tmp_path: Path) -> None:
    def open_log() -> SqliteLog:
        return SqliteLog(tmp_path / "log.db", clock=lambda: 0)

    with observed(tmp_path) as (_, store, observer, scrape):
        with open_log() as log:
            log.append("ad_impressions", [impression(i) for i in range(30)])
            keep = LogSettings(keep_days=1)
            with retaining(keep, store, open_log, Event(), observer.metrics.removed_from_log):
                pass
            assert scrape()["advertisex_log_overdue",] == 1
            with retaining(keep, store, open_log, Event(), observer.metrics.removed_from_log):
                process_log(log, store, Processing(FEEDS), on_commit=observer.committed)
            assert log.start_offsets() == log.end_offsets()
        assert scrape()["advertisex_log_removed_messages_total",] == 30
        assert scrape()["advertisex_lost_messages_total", "impressions"] == 0
        with DuckdbStore(tmp_path / "other") as other, open_log() as log:
            process_log(log, other, Processing(FEEDS), on_commit=observer.committed)
        assert scrape()["advertisex_lost_messages_total", "impressions"] == 30
        assert scrape()["advertisex_log_overdue",] == 0


def test_without_limits_nothing_is_removed(tmp_path: Path) -> None:
    with observed(tmp_path) as (_, store, observer, scrape):
        with retaining(LogSettings(), store, lambda: pytest.fail("opened"), Event(), observer.metrics.removed_from_log):
            pass
        assert scrape()["advertisex_log_removed_messages_total",] == 0


def test_what_retention_drops_from_the_store_is_counted(tmp_path: Path) -> None:
    old = (datetime.now(UTC) - timedelta(days=100)).isoformat()
    with observed(tmp_path) as (log, store, observer, scrape):
        log.append("ad_impressions", [impression(1, timestamp=old), impression(2, timestamp=old), impression(3), b"{"])
        process_log(log, store, Processing(FEEDS))
        assert ("advertisex_store_removed_total", "event") not in scrape()
        process_log(log, store, Processing(FEEDS, keep_days=30), on_removed=observer.metrics.dropped)
        (row,) = store.ledger()
        assert (row.counts.removed, row.counts.removed_rejects) == (2, 0)
        assert scrape()["advertisex_store_removed_total", "event"] == 2
        assert scrape()["advertisex_store_removed_total", "reject"] == 0


def test_the_last_success_of_each_source_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clicks.csv").write_text("timestamp,user_id,campaign_id,clicks\n2026-01-05T09:00:00Z,u,c,1\n")
    options = IngestOptions(follow=True, every=0.01, name="shop")
    source = FeedSource(FEEDS["clicks"], str(tmp_path / "clicks.csv"), options)
    began, stop = time.time(), Event()
    with observed(tmp_path) as (_, store, observer, scrape):
        succeeded = observer.metrics.source_succeeded

        def then_stop(*given: Any) -> None:
            succeeded(*given)
            stop.set()

        monkeypatch.setattr(observer.metrics, "source_succeeded", then_stop)
        open_log = partial(SqliteLog, tmp_path / "log.db")
        run_service([source], open_log, store, Processing(FEEDS, follow=True), observer, stop)
        found = scrape()["advertisex_source_last_success_timestamp_seconds", "clicks", "shop"]
    assert began <= found <= time.time()
