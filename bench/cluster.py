"""Kafka → Elasticsearch: throughput of the pipeline, relative to the raw throughput of the two servers.

    python -m bench.cluster                     300,000 impressions
    python -m bench.cluster --events 1000000
    python -m bench.cluster --shared            node, broker and pipeline on the same cores

Two ratios of rates, all measured in the same run on the same machine:
    end to end       events processed and stored per second / raw bulk indexing of the same documents
    without store    events processed and discarded per second / raw consumption of the same messages

The node gets half of the cores exclusively: the benchmark tests whether the pipeline keeps a node busy, and in
production nodes are separate machines. With `--shared`, all processes share all cores. Raw bulk then has every core
for the node, so the ratio is bounded by the node's share of the total CPU time, which is printed as well.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
import polars as pl
from tests.servers.elasticsearch import LocalElasticsearch
from tests.servers.kafka import LocalKafka
from tests.servers.local_server import LocalServer

from advertisex.feeds import FEEDS, Feed
from advertisex.logs.kafka.log import KafkaLog
from advertisex.model import Counts, Outcome, Partition
from advertisex.processing.runner import OnCommit, Processing, process_log
from advertisex.settings.model import ElasticsearchSettings, KafkaSettings
from advertisex.stores.contract import EventStore, Range
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.elasticsearch.bulk_lines import chunks, lines_of
from advertisex.stores.elasticsearch.commit import event_documents
from advertisex.stores.open import open_store
from bench.child import machine
from bench.embedded import impressions

_TIMINGS = ("raw consume", "pipeline, discarded", "raw bulk", "end to end")


class Discard(DuckdbStore):
    """A store that keeps only the positions, to measure the pipeline alone."""

    def __init__(self, folder: str) -> None:
        super().__init__(Path(folder, f"{uuid4().hex}.duckdb"))
        self._ends: dict[Partition, int] = {}

    def positions(self) -> dict[Partition, int]:
        return dict(self._ends)

    def commit(self, outcome: Outcome) -> Counts:
        self._ends[outcome.span.of] = outcome.span.end
        return Counts(read=outcome.read, stored=outcome.events.height)


def rate(events: int, task: Callable[[], object]) -> float:
    """Run `task` and return its rate in events per second."""
    started = time.perf_counter()
    task()
    return events / (time.perf_counter() - started)


def consume_raw(log: KafkaLog, topic: str, events: int) -> None:
    """Read every message and discard it."""
    read = 0
    with log.reader([topic], dict, 122_880) as reader:
        while read < events:
            read += sum(len(batch) for batch in reader.poll())


def process_all(
    log: KafkaLog, store: EventStore, feed: Feed, events: int, on_commit: OnCommit = lambda _: None
) -> Counts:
    """Process every message into the store."""
    counts = process_log(log, store, Processing({feed.name: feed}), on_commit=on_commit)
    assert counts.read == events, counts
    return counts


def bodies_of(outcomes: list[Outcome]) -> list[bytes]:
    """The bulk request bodies that the store would send, built in advance."""
    bodies = []
    for outcome in outcomes:
        documents = event_documents(outcome.events, outcome, datetime(2026, 3, 2))
        for chunk in chunks(documents):
            lines = lines_of(chunk, pl.col("event_id").bin.encode("hex"), "create")
            bodies += [lines.body(rows) for rows in lines.parts()]
    return bodies


def send_raw(url: str, index: str, bodies: list[bytes]) -> None:
    """Send bodies with the store's number of parallel requests, checking only for errors."""
    headers = {"content-type": "application/x-ndjson"}
    with httpx.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(ElasticsearchSettings().parallel) as pool:
        client.put(f"/{index}").raise_for_status()

        def send(body: bytes) -> None:
            answer = client.post(f"/{index}/_bulk?filter_path=errors", content=body, headers=headers)
            assert answer.json() == {"errors": False}, answer.text[:300]

        list(pool.map(send, bodies))


def cpu_seconds(*servers: LocalServer) -> float:
    """CPU seconds used by this process and by some servers, including their child processes."""
    parents, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process has ended
            fields = stat.read_text().rsplit(")", 1)[1].split()
            pid = int(stat.parent.name)
            parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    ours = {server.pid for server in servers}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return time.process_time() + sum(ticks.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")


def measure(
    kafka: str, elasticsearch: str, events: int, rounds: int, cpu: Callable[[], float] = time.process_time
) -> dict[str, Any]:
    """Measure the four rates, each the best of `rounds`, and the ratios.

    Args:
        kafka: URL of the broker.
        elasticsearch: URL of the node, without credentials.
        events: number of impressions.
        rounds: how often to measure.
        cpu: the CPU seconds that this process and the servers have used.
    """
    run = uuid4().hex[:8]
    feed = replace(FEEDS["impressions"], topic=f"bench-{run}-ad_impressions")
    best = dict.fromkeys(_TIMINGS, 0.0)
    used = dict.fromkeys(_TIMINGS, float("inf"))
    stored: list[int] = []

    with ExitStack() as stack:

        def record(name: str, measured: Callable[[], object]) -> None:
            before = cpu()
            best[name] = max(best[name], rate(events, measured))
            used[name] = min(used[name], (cpu() - before) / events)

        def new_store(prefix: str) -> EventStore:
            settings = ElasticsearchSettings(prefix=f"bench-{run}-{prefix}-")
            return stack.enter_context(open_store(elasticsearch, read_only=False, elasticsearch=settings))

        def new_log() -> KafkaLog:
            settings = KafkaSettings(partitions=2, group=f"bench-{uuid4().hex[:8]}")
            return stack.enter_context(KafkaLog(kafka, settings, create=True))

        folder = stack.enter_context(TemporaryDirectory(prefix="advertisex-bench-"))
        first = new_log()
        for chunk in impressions(events):
            first.append(feed.topic, chunk)
        outcomes: list[Outcome] = []
        with Discard(folder) as discard:  # collects the outcomes for raw bulk
            process_all(new_log(), discard, feed, events, lambda committed: outcomes.append(committed.outcome))
        bodies = bodies_of(outcomes)
        outcomes.clear()
        process_all(new_log(), new_store("warm"), feed, events)
        for number in range(rounds):
            record("raw consume", partial(consume_raw, new_log(), feed.topic, events))
            with Discard(folder) as discard:
                record("pipeline, discarded", partial(process_all, new_log(), discard, feed, events))
            new_store(f"raw{number}")  # creates the index templates
            index = f"bench-{run}-raw{number}-ad_impressions_index-g1-2026-03"
            record("raw bulk", partial(send_raw, elasticsearch.replace("elasticsearch", "http", 1), index, bodies))
            whole = new_store(f"whole{number}")
            record("end to end", partial(process_all, new_log(), whole, feed, events))
            stored.append(whole.extent(feed.name, Range()).events)
    return {
        "events": events,
        "documents": sum(body.count(b"\n") for body in bodies) // 2,
        "stored": stored,
        "per_second": {name: round(value) for name, value in best.items()},
        "cpu_us_an_event": {name: round(value * 1e6, 1) for name, value in used.items()},
        "end to end / raw bulk": round(best["end to end"] / best["raw bulk"], 2),
        "raw bulk's work / all work": round(used["raw bulk"] / used["end to end"], 2),
        "pipeline / raw consume": round(best["pipeline, discarded"] / best["raw consume"], 2),
    }


def measure_locally(events: int, rounds: int, *, shared: bool) -> dict[str, Any]:
    """Measure with a broker and a node of our own, on separate cores unless `shared`."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    node_cores, other_cores = (cores, cores) if shared or not half else (cores[:half], cores[half:])
    with ExitStack() as stack:
        os.sched_setaffinity(0, node_cores)  # child processes inherit the affinity
        elastic = stack.enter_context(LocalElasticsearch(heap="2g", quick=False))
        os.sched_setaffinity(0, other_cores)
        kafka = stack.enter_context(LocalKafka(quick=False))
        result = measure(kafka.url, elastic.url, events, rounds, lambda: cpu_seconds(elastic, kafka))
    return result | {"shared": node_cores == other_cores}


def main() -> None:
    """Run the benchmark; print the results as a table and as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shared", action="store_true", help="node, broker and pipeline on the same cores")
    args = parser.parse_args()
    print(machine())
    result = measure_locally(args.events, args.rounds, shared=args.shared)
    for name, value in result["per_second"].items():
        print(f"{name:26} {value:>9,}/s {result['cpu_us_an_event'][name]:>6} µs CPU per event")
    for name in ("end to end / raw bulk", "raw bulk's work / all work", "pipeline / raw consume"):
        print(f"{name:26} {result[name]:>9}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
