"""Throughput and memory with the embedded log and store, per stage and end to end.

    python -m bench.embedded                     all measurements, a few minutes
    python -m bench.embedded --events 500000     the same with fewer messages

Each run is a separate process, so that its peak memory is its own. Rates are messages per second of wall time.
They vary a lot between runs; compare figures of one run only.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import Batch
from advertisex.processing.decode import decode
from advertisex.processing.enrich import enrich
from advertisex.processing.identify import first_of_each, identify
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy, apply_policy
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.processing.standardise import standardise
from advertisex.processing.validate import validate
from advertisex.settings.model import BATCH_SIZE
from advertisex.simulator import SimulationSettings, publish_simulation
from advertisex.stores.duckdb.store import DuckdbStore
from bench.child import machine, peak_mib, run_in_child

P = ParamSpec("P")
T = TypeVar("T")

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
        size = log.size()
        with DuckdbStore(Path(folder, "store.duckdb")) as store:
            marks: list[tuple[int, float, int]] = []
            read = 0

            def record(committed: Committed) -> None:
                nonlocal read
                read += committed.counts.read
                marks.append((read, time.perf_counter(), peak_mib()))

            started = time.perf_counter()
            counts = process_log(log, store, Processing(FEEDS), on_commit=record)
            elapsed = time.perf_counter() - started
            assert all(row.counts.balanced for row in store.ledger())
            assert counts.read == events
        stored = Path(folder, "store.duckdb").stat().st_size
    return {
        "load": load,
        "messages": events,
        "stored": counts.stored,
        "rejected": counts.rejected,
        "filtered": counts.filtered,
        "duplicate": counts.duplicate,
        "per_second": round(events / elapsed),
        "cpu_us_per_message": round(time.process_time() / events * 1e6, 2),
        "peak_mib": peak_mib(),
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
    spent: Counter[str] = Counter()
    stored = 0

    def timed(name: str, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        started = time.perf_counter_ns()
        result = work(*args, **options)
        spent[name] += time.perf_counter_ns() - started
        return result

    with tempfile.TemporaryDirectory() as folder, SqliteLog(Path(folder, "log.db")) as log:
        _in_child("fill", load, events, Path(folder, "log.db"))
        with DuckdbStore(Path(folder, "store.duckdb")) as store:
            for feed in FEEDS.values():
                position = 0
                while batch := timed("read", _read, log, feed.topic, position):
                    position = batch.span.end
                    decoded, _ = timed("decode", decode, batch.payloads, feed)
                    standard = timed("standardise", standardise, decoded, feed)
                    valid, _ = timed("validate", validate, standard, decoded, feed, batch.ingested_at)
                    kept, _ = timed("filter", apply_policy, valid, Policy())
                    enriched = timed("enrich", enrich, kept)
                    identified = timed("identify", identify, enriched, feed)
                    timed("first of each", first_of_each, identified)
                    outcome = process(batch, feed, Policy())
                    stored += timed("commit", store.commit, outcome).stored
    us_per_message = {name: round(ns / events / 1_000, 3) for name, ns in spent.items()}
    return {"load": load, "messages": events, "stored": stored, "us_per_message": us_per_message}


def _read(log: SqliteLog, topic: str, position: int) -> Batch | None:
    batch = log.read(topic, 0, position, BATCH_SIZE)
    return batch if len(batch) else None


def _in_child(what: str, load: str, events: int, path: Path | None = None) -> dict[str, Any]:
    """Run one measurement in a new process."""
    arguments = ["--run", what, "--load", load, "--events", events, "--path", path or ""]
    result: dict[str, Any] = json.loads(run_in_child("bench.embedded", arguments))
    return result


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
    print(machine())
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
