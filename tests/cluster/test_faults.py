"""Faults of the servers and the network only cost time: no event is lost or counted twice.

Faults that need no real server (429, 503, 413, a bad item, 401) are in tests/stores/test_elasticsearch_answers.py.
"""

import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from advertisex.errors import INTERRUPTED
from advertisex.model import Counts
from advertisex.processing.configured import processing_of
from advertisex.processing.runner import Committed, process_log
from advertisex.stores.contract import Range
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.lookup import stored_events
from advertisex.stores.elasticsearch.retry import RetryPolicy
from tests.budget import thorough, usually
from tests.cluster.proxy import FaultyProxy
from tests.cluster.traffic import POLICY, Traffic, memory, messages_read, wait_until
from tests.servers.elasticsearch import LocalElasticsearch
from tests.servers.kafka import LocalKafka

EVENTS = 10_000
BATCH = 600
#: Request timeout in seconds, in tests that shorten it.
TIMEOUT = 0.8
SOON = RetryPolicy(request=TIMEOUT, first_pause=0.02, longest_pause=0.5)
#: Seconds that the cluster is down.
MINUTE = usually(20.0, thorough=60.0)
#: Upper bound of the memory of `advertisex process` during any fault (measured: 190 to 230 MB).
MOST_MEMORY = 450_000_000
#: Upper bound of its growth while a server is down.
MOST_GROWTH = 80_000_000

MakeCluster = Callable[..., Any]


@pytest.fixture
def proxy(elasticsearch: str) -> Iterator[FaultyProxy]:
    host, _, port = elasticsearch.removeprefix("elasticsearch://").partition(":")
    with FaultyProxy(host, int(port)) as started:
        yield started


@pytest.fixture
def behind_proxy(make_cluster: MakeCluster, proxy: FaultyProxy) -> Any:
    """A cluster whose Elasticsearch is reached through the proxy."""
    return make_cluster(more=POLICY, elasticsearch_url=f"elasticsearch://127.0.0.1:{proxy.port}")


@pytest.fixture(scope="module")
def own_elasticsearch() -> Iterator[LocalElasticsearch]:
    """A server that may be killed; it requires a password."""
    with LocalElasticsearch(security=True) as server:
        yield server


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[LocalKafka]:
    """A server that may be killed."""
    with LocalKafka() as server:
        yield server


class Worker:
    """`advertisex process --follow`, and its stderr."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: Path) -> None:
        self._process = process
        self._stderr = stderr
        self.pid = process.pid

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def end(self, within: float = 20.0) -> int:
        """Terminate it, as a service manager does."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(within)


@contextmanager
def following(cluster: Any, *more: object) -> Iterator[Worker]:
    stderr = cluster.folder / "stderr"
    with stderr.open("wb") as file:
        process = cluster.start(
            "process", "--follow", "--batch-size", BATCH, *more, stdout=subprocess.DEVNULL, stderr=file
        )
        try:
            yield Worker(process, stderr)
        finally:
            process.kill()
            process.wait()


def process_all(traffic: Traffic, on_commit: Callable[[int], None] = lambda commit: None) -> Counts:
    """Process in this process, with short timeouts; `on_commit` receives the number of the commit."""
    commits = 0

    def count(committed: Committed) -> None:
        nonlocal commits
        commits += 1
        on_commit(commits)

    cluster = traffic.cluster
    processing = processing_of(cluster.settings.model_copy(update={"batch_size": BATCH}))
    with cluster.log() as log, cluster.store(read_only=False, retry=SOON) as store:
        return process_log(log, store, processing, on_commit=count)


# -- responses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param(rb"_bulk", id="bulk"),
        pytest.param(rb"_mget", id="look-up"),
        pytest.param(rb"GET \S*/_doc/", id="read-ledger"),
        pytest.param(rb"PUT \S*/_doc/", id="write-ledger"),
    ],
)
def test_cut_lost_or_late_responses_change_nothing(
    behind_proxy: Any, proxy: FaultyProxy, elasticsearch: str, request_line: bytes
) -> None:
    traffic = Traffic(behind_proxy, events=3_000, seed=11, copies=2)
    traffic.publish()
    faults = cycle(
        [
            lambda: proxy.cut(0, times=2, request=request_line),
            lambda: proxy.swallow(times=1, request=request_line),
            lambda: proxy.cut(40, times=2, request=request_line),  # within the headers
            lambda: proxy.delay(2 * TIMEOUT, times=1, request=request_line),
            lambda: proxy.cut(-1, times=2, request=request_line),
        ]
    )
    before = memory()

    counts = process_all(traffic, lambda commit: next(faults)())

    assert proxy.faults_met >= 10
    assert traffic.assert_stored_once(elasticsearch) == counts
    if request_line == rb"_bulk":
        assert counts.redelivered > 0, "batches whose response was lost must have been redelivered"
    assert memory() - before < MOST_MEMORY


def test_a_worker_that_is_assigned_partitions_while_the_store_is_down_waits_for_the_ledger(
    behind_proxy: Any, proxy: FaultyProxy
) -> None:
    traffic = Traffic(behind_proxy, events=1_000, seed=12)
    traffic.publish()
    process_all(traffic)
    with behind_proxy.store(read_only=False, retry=RetryPolicy(query=0.2)) as store:
        known = store.positions()
        proxy.refuse()
        healing = threading.Timer(1.5, proxy.heal)
        healing.start()
        assert store.positions() == known
        healing.join()
    assert known


# -- Elasticsearch down ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hangs", "workers"), usually([(True, 2)], thorough=list(product([False, True], [1, 2]))))
def test_a_worker_waiting_for_the_store_stops_when_asked_and_another_resumes(
    behind_proxy: Any, proxy: FaultyProxy, elasticsearch: str, workers: int, hangs: bool
) -> None:
    traffic = Traffic(behind_proxy, events=EVENTS, seed=13)
    traffic.publish()
    with (
        following(behind_proxy, "--workers", workers) as worker,
        behind_proxy.store(read_only=False, url=elasticsearch) as store,
    ):
        wait_until(lambda: messages_read(store) > 0, "the first commit")
        if hangs:
            proxy.swallow()
            wait_until(lambda: proxy.faults_met > 0, "a request without a response")
        else:
            proxy.refuse()
            wait_until(lambda: "Waiting to" in worker.stderr, "a warning", 15)
        assert worker.end(within=10) == INTERRUPTED  # a request may take a minute
        assert "interrupted: stopped while waiting to" in worker.stderr
        assert "Traceback" not in worker.stderr
        assert messages_read(store) < EVENTS
    proxy.heal()

    behind_proxy.call("process")

    traffic.assert_stored_once(elasticsearch)


def test_a_store_that_freezes_during_processing_holds_every_event_once(
    make_cluster: MakeCluster, own_elasticsearch: LocalElasticsearch
) -> None:
    traffic = Traffic(make_cluster(more=POLICY, elasticsearch_url=own_elasticsearch.url), events=EVENTS, seed=14)
    traffic.publish()
    thawed = threading.Event()

    def thaw() -> None:
        thawed.set()
        own_elasticsearch.resume()

    thawing = threading.Timer(5.0, thaw)

    def freeze(commit: int) -> None:
        if commit == 3:
            own_elasticsearch.pause()
            thawing.start()

    counts = process_all(traffic, freeze)

    assert thawed.is_set()
    thawing.join()
    assert traffic.assert_stored_once() == counts


def look_up_in_a_starting_cluster(cluster: Any) -> list[int]:
    """Look up an event until it succeeds: at first the node responds, but its shards are not available yet."""
    settings = cluster.settings.elasticsearch
    address, retry = address_of(cluster.settings.store_url), replace(SOON, longest_pause=0.05)
    with closing(Connection(address, settings, retry)) as connection:
        index = f"{settings.prefix}ad_impressions_index-g1-2026-01"
        return stored_events(connection, index, [bytes(16)], {"topic": pl.String()}, threading.Event())[1]


@contextmanager
def killed(kafka: LocalKafka) -> Iterator[None]:
    kafka.kill()
    try:
        yield
    finally:
        kafka.start()


@thorough
def test_a_minute_without_the_store_and_a_killed_broker_only_cost_time(
    make_cluster: MakeCluster, own_elasticsearch: LocalElasticsearch, own_kafka: LocalKafka
) -> None:
    cluster = make_cluster(more=POLICY, kafka_url=own_kafka.url, elasticsearch_url=own_elasticsearch.url)
    traffic = Traffic(cluster, events=2 * EVENTS, seed=15)
    traffic.publish(0.4)
    with following(cluster) as worker:
        with cluster.store(read_only=False) as store:
            wait_until(lambda: messages_read(store) > BATCH, "some commits")
        with traffic.publishing(over=0.75 * MINUTE):  # messages keep arriving while the store is down
            own_elasticsearch.kill()
            down_at = time.monotonic()
            with killed(own_kafka):
                time.sleep(5)
            wait_until(lambda: "Waiting to" in worker.stderr, "a warning", 15)
            before = memory(worker.pid)
        time.sleep(max(0.0, down_at + MINUTE - time.monotonic()))
        assert worker.is_running
        assert memory(worker.pid) - before < MOST_GROWTH
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(look_up_in_a_starting_cluster, cluster)
            own_elasticsearch.start()
            assert found.result(30) == [0]
        with cluster.store() as store:
            wait_until(lambda: messages_read(store) == traffic.events, "all messages")
        assert memory(worker.pid, peak=True) < MOST_MEMORY
        assert worker.end() == 0
        assert "again" in worker.stderr

    traffic.assert_stored_once()


def test_a_wrong_password_is_reported_with_a_hint_and_not_printed(
    make_cluster: MakeCluster, own_elasticsearch: LocalElasticsearch
) -> None:
    wrong = own_elasticsearch.url.replace(own_elasticsearch.password, "not-the-passw0rd")
    cluster = make_cluster(more=POLICY, elasticsearch_url=wrong)
    Traffic(cluster, events=1_000, seed=16).publish()

    for arguments in (["process"], ["process", "--follow"], ["ledger"], ["analyze", "summary"]):
        with cluster.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=60)
        printed = (out + err).decode()
        assert process.returncode == 1
        assert f"elasticsearch://127.0.0.1:{own_elasticsearch.port}" in printed
        assert "401" in printed
        assert "check the user and password" in printed
        assert "passw0rd" not in printed
        assert "Traceback" not in printed


# -- Kafka down --------------------------------------------------------------------------------------------------


@contextmanager
def frozen(kafka: LocalKafka) -> Iterator[None]:
    kafka.pause()
    try:
        yield
    finally:
        kafka.resume()


@thorough
def test_a_broker_that_freezes_during_writes_and_reads_loses_nothing(
    make_cluster: MakeCluster, own_kafka: LocalKafka
) -> None:
    cluster = make_cluster(more=POLICY, kafka_url=own_kafka.url)
    traffic = Traffic(cluster, events=2 * EVENTS, seed=17)
    traffic.publish(0.5)
    with following(cluster) as worker, cluster.store(read_only=False) as store:
        wait_until(lambda: messages_read(store) > BATCH, "some commits")
        at = traffic.published
        with traffic.publishing():
            wait_until(lambda: traffic.published > at + 2, "some appends", every=0.001)
            with frozen(own_kafka):
                time.sleep(5)
                assert traffic.published < len(traffic.runs), "the freeze must happen while messages are being appended"
        assert worker.is_running
        wait_until(lambda: messages_read(store) == traffic.events, "all messages")
        assert memory(worker.pid, peak=True) < MOST_MEMORY
        assert worker.end() == 0

    traffic.assert_stored_once()


# -- same results as embedded ------------------------------------------------------------------------------------


def test_the_demo_gives_the_same_result_embedded_and_on_servers(
    make_cluster: MakeCluster, kafka: str, elasticsearch: str
) -> None:
    cluster = make_cluster()
    demo = ["demo", "--events", EVENTS, "--seed", 18]
    embedded = cluster.call(*demo, config=False)
    servers = cluster.call(*demo, "--log", kafka, "--store", elasticsearch, config=False)

    for part in ("truth", "found", "analysis", "ok"):
        assert embedded[part] == servers[part]
    assert embedded["ok"] is True
    assert embedded["ledger"]["total"] == servers["ledger"]["total"]


@thorough
def test_the_analysis_is_identical_byte_for_byte(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(more=POLICY)
    traffic = Traffic(cluster, events=usually(4_000, thorough=2 * EVENTS), seed=19)
    traffic.publish()
    embedded = ["--store", "duckdb:///embedded.duckdb"]
    cluster.call("process", *embedded)
    cluster.call("process")
    traffic.assert_stored_once()
    with cluster.store() as store:
        campaign = store.count("clicks", ["campaign_id"], Range()).sort("_events", "campaign_id")["campaign_id"][-1]

    within = ["--since", "2026-01-07T06:00:00.5Z", "--until", "2026-01-10"]
    for question in (
        ["summary"], ["summary", *within, "--campaign", campaign], ["correlation"], ["correlation", *within],
    ):  # fmt: skip
        answer, other = (
            re.sub(rb"as.of\W+[\d\-:.TZ ]+", b"", cluster.run_json("analyze", *question, *more))
            for more in ([], embedded)
        )
        assert answer == other
        assert len(answer) > 100
