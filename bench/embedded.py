"""Throughput and memory with the embedded log and store, per stage and end to end.

    python bench/embedded.py                     all measurements, a few minutes
    python bench/embedded.py --events 500000     the same with fewer messages

Each run is a separate process, so that its peak memory is its own. Rates are messages per second of wall time.
They vary a lot between runs; compare figures of one run only.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Batch
from advertisex.processing.decode import decode
from advertisex.processing.enrich import Catalogue, enrich
from advertisex.processing.identify import first_of_each, identify
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy, apply_policy
from advertisex.processing.runner import BATCH_SIZE, Committed, Processing, process_log
from advertisex.processing.standardise import standardise
from advertisex.processing.validate import validate
from advertisex.simulator import SimulationSettings, publish_simulation
from advertisex.stores.duckdb.store import DuckdbStore

_CHUNK = 50_000
_LATE_RATE = 0.01
_LATE_SECONDS = 7_200
_PER_SECOND = 1_000


def impressions(events: int) -> Iterator[list[bytes]]:
    """Distinct impressions at 1,000 per second of event time, 1 % of them late, by two hours on average."""
    random = np.random.default_rng(1)
    for start in range(0, events, _CHUNK):
        size = min(_CHUNK, events - start)
        micros = (np.arange(start, start + size) * 1_000_000) // _PER_SECOND
        late = random.random(size) < _LATE_RATE
        micros -= np.where(late, random.exponential(_LATE_SECONDS, size) * 1e6, 0).astype(np.int64)
        times = np.datetime_as_string(np.datetime64("2026-03-01T00:00:00", "us") + micros.astype("m8[us]"))
        users = random.zipf(1.3, size) % 1_000_000
        sites, paths = random.zipf(1.5, size) % 3_000, random.integers(0, 1_000, size)
        creatives = random.integers(0, 500, size)
        yield [
            b'{"creative_id":"cr%d","user_id":"u%d","timestamp":"%bZ","website":"https://www.site%d.example.com/p/%d"}'
            % row
            for row in zip(
                creatives.tolist(),
                users.tolist(),
                times.astype("S").tolist(),
                sites.tolist(),
                paths.tolist(),
                strict=True,
            )
        ]


def fill(log: SqliteLog, load: str, events: int) -> None:
    """Append the messages of a load (`impressions` or `mixed`) to the log."""
    if load == "mixed":
        publish_simulation(log, SimulationSettings(events=events, seed=1))
        return
    for chunk in impressions(events):
        log.append(FEEDS["impressions"].topic, chunk)


def whole(load: str, events: int) -> dict[str, Any]:
    """End to end, from log to store: rate, memory, and the rate in each tenth of the messages."""
    with tempfile.TemporaryDirectory() as folder, SqliteLog(Path(folder, "log.db")) as log:
        _in_child("fill", load, events, Path(folder, "log.db"))
        size = Path(folder, "log.db").stat().st_size
        with DuckdbStore(Path(folder, "store.duckdb")) as store:
            marks: list[tuple[int, float, int]] = []
            read = 0

            def record(committed: Committed) -> None:
                nonlocal read
                read += committed.counts.read
                marks.append((read, time.perf_counter(), _peak()))

            started = time.perf_counter()
            counts = process_log(log, store, Processing(FEEDS), on_commit=record)
            elapsed = time.perf_counter() - started
            assert all(row.counts.balanced for row in store.ledger())
            assert counts.read == events
        stored = Path(folder, "store.duckdb").stat().st_size
    return {
        "load": load,
        "messages": events,
        "per_second": round(events / elapsed),
        "cpu_us_per_message": round(_cpu() / events * 1e6, 2),
        "peak_mib": _peak(),
        "log_bytes_per_message": round(size / events),
        "store_bytes_per_message": round(stored / events),
        "tenths": _tenths(marks, started, events),
    }


def _tenths(marks: list[tuple[int, float, int]], started: float, events: int) -> list[dict[str, int]]:
    """For each tenth of the messages, its rate and the peak memory after it."""
    tenths, before = [], (0, started)
    for tenth in range(1, 11):
        read, at, peak = next(mark for mark in marks if mark[0] >= events * tenth // 10)
        if at > before[1]:
            tenths.append({"after": read, "per_second": round((read - before[0]) / (at - before[1])), "peak_mib": peak})
        before = (read, at)
    return tenths


def stages(load: str, events: int) -> dict[str, Any]:
    """Each stage alone: microseconds of wall time per message."""
    spent: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - started
        return result

    with tempfile.TemporaryDirectory() as folder, SqliteLog(Path(folder, "log.db")) as log:
        _in_child("fill", load, events, Path(folder, "log.db"))
        with DuckdbStore(Path(folder, "store.duckdb")) as store:
            for feed in FEEDS.values():
                position = 0
                while batch := timed("read", lambda f=feed, p=position: _read(log, f.topic, p)):
                    position = batch.span.end
                    decoded, _ = timed("decode", lambda b=batch, f=feed: decode(b.payloads, f))
                    standard = timed("standardise", lambda d=decoded, f=feed: standardise(d, f))
                    valid, _ = timed("validate", lambda s=standard, b=batch, f=feed: validate(s, f, b.ingested_at))
                    kept, _ = timed("filter", lambda v=valid: apply_policy(v, Policy()))
                    enriched = timed("enrich", lambda k=kept: enrich(k, Catalogue()))
                    identified = timed("identify", lambda e=enriched, f=feed: identify(e, f))
                    timed("first of each", lambda i=identified: first_of_each(i))
                    outcome = process(batch, feed, Policy(), Catalogue())
                    timed("commit", lambda o=outcome: store.commit(o))
    return {"load": load, "us_per_message": {name: round(s / events * 1e6, 3) for name, s in spent.items()}}


def _read(log: SqliteLog, topic: str, position: int) -> Batch | None:
    batch = log.read(topic, 0, position, BATCH_SIZE)
    return batch if len(batch) else None


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _cpu() -> float:
    return time.process_time()


def _in_child(what: str, load: str, events: int, path: Path | None = None) -> dict[str, Any]:
    """Run one measurement in a new process."""
    command = [sys.executable, __file__, "--run", what, "--load", load, "--events", str(events)]
    answer = subprocess.run([*command, "--path", str(path or "")], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout)


def main() -> None:
    """Run the benchmark; print the results as a table and as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000, help="messages of each load (default 2,000,000)")
    parser.add_argument("--history", type=int, default=10_000_000, help="messages of the long run (default 10,000,000)")
    parser.add_argument("--run", choices=["fill", "whole", "stages"], help=argparse.SUPPRESS)
    parser.add_argument("--load", default="impressions", help=argparse.SUPPRESS)
    parser.add_argument("--path", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run == "fill":
        with SqliteLog(Path(args.path)) as log:
            fill(log, args.load, args.events)
        print("{}")
        return
    if args.run:
        print(json.dumps({"whole": whole, "stages": stages}[args.run](args.load, args.events)))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    results = []
    for load in ("impressions", "mixed"):
        for what in ("stages", "whole"):
            results.append(_in_child(what, load, args.events))
            _print(results[-1])
    results.append(_in_child("whole", "impressions", args.history))
    _print(results[-1])
    print(json.dumps(results))


def _print(result: dict[str, Any]) -> None:
    if stages_of := result.get("us_per_message"):
        print(f"\n{result['load']}, µs per message, each stage alone")
        for name, spent in stages_of.items():
            print(f"  {name:14} {spent:6.3f}")
        print(f"  {'sum':14} {sum(stages_of.values()):6.3f}")
        return
    print(f"\n{result['load']}, log → stored, {result['messages']:,} messages")
    print(
        f"  {result['per_second']:,} messages/s, {result['cpu_us_per_message']} µs CPU each, "
        f"peak {result['peak_mib']:,} MiB; {result['log_bytes_per_message']} bytes in the log, "
        f"{result['store_bytes_per_message']} in the store"
    )
    for tenth in result["tenths"]:
        print(f"  after {tenth['after']:>12,}: {tenth['per_second']:>9,}/s, peak {tenth['peak_mib']:,} MiB")


if __name__ == "__main__":
    main()
