"""Time of the first page and of others, on a store of 10 million impressions into which events are committed.

    python -m bench.web                                the store is built once, and copied
    python -m bench.web --impressions 1000000

One process has the store open for writing, as `run` has; the server reads through it. Each time is that of a whole
request over HTTP: the first one after the server has started, then without a commit in between, then one right after
each commit of 1,000 events. The target for the first page is less than 200 ms.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import IO

import httpx
import numpy as np
import polars as pl

from advertisex.feeds import FEEDS
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.held.place import socket_of
from advertisex.web.held import readable_by_others
from bench.analysis import prepare
from bench.analysis_world import DAYS, VERSION, impressions, outcome_of
from bench.child import ROOT, machine

_TARGET_MS, _COMMITS, _EVENTS = 200, 20, 1_000
_OTHERS = ("ledger", "rejects", "performance", "pacing?campaign=cmp1")


def hold(path: Path) -> None:
    """Have the store open for writing, and commit events for each line of the standard input."""
    socket = socket_of(f"duckdb:///{path}")
    assert socket is not None
    with DuckdbStore(path) as store, readable_by_others(store, socket):
        start = next(row.next_offset for row in store.ledger() if row.topic == FEEDS["impressions"].topic)
        random = np.random.default_rng(2)
        end = datetime(2026, 3, 1) + timedelta(days=DAYS)
        print("ready", flush=True)
        for _ in sys.stdin:
            arrived = impressions(random, _EVENTS).with_columns(ingested_at=pl.col("event_time"))
            outcome = outcome_of("impressions", arrived, start, end)
            store.commit(outcome)
            start = outcome.span.end
            print("committed", flush=True)


def measure(client: httpx.Client, page: str, times: int, commands: IO[str] | None, replies: IO[str]) -> list[float]:
    """Request a page some times, after a commit each if there are commands; return milliseconds."""
    taken = []
    for _ in range(times):
        if commands is not None:
            commands.write("commit\n")
            commands.flush()
            assert replies.readline() == "committed\n"
        started = time.perf_counter()
        client.get(page).raise_for_status()
        taken.append((time.perf_counter() - started) * 1_000)
    return taken


@contextmanager
def _process(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()


def run(path: Path, data: Path) -> None:
    """Measure the pages of a store that is written to; print a line for each."""
    serve = ("serve", "--port", "0", "--json", "--data", str(data), "--store", f"duckdb:///{path}")
    with _process("bench.web", "--hold", str(path)) as holder, _process("advertisex", *serve) as server:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert server.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        address = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")["dashboard"]
        with httpx.Client(base_url=address, timeout=120) as client:
            _print("first page, the first time", measure(client, "", 1, None, holder.stdout))
            _print("first page, nothing committed", measure(client, "", 10, None, holder.stdout))
            _print("first page, after a commit", measure(client, "", _COMMITS, holder.stdin, holder.stdout))
            for page in _OTHERS:
                _print(f"{page}, after a commit", measure(client, page, 5, holder.stdin, holder.stdout))


def _print(what: str, taken: Sequence[float]) -> None:
    print(f"{what:40} median {median(taken):7,.0f} ms, most {max(taken):7,.0f} ms", flush=True)


def main() -> None:
    """Run the benchmark, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--impressions", type=int, default=10_000_000, help="in the store (default 10,000,000)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "advertisex-bench-analysis"))
    parser.add_argument("--hold", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.hold:
        hold(args.hold)
        return
    world = args.folder / f"world-{VERSION}-{args.impressions}-0.0.duckdb"
    prepare(world, args.impressions, 0.0)
    print(f"{machine()}; {args.impressions:,} impressions; target of the first page after a commit: {_TARGET_MS} ms")
    with tempfile.TemporaryDirectory() as folder:
        run(Path(shutil.copy(world, folder)), Path(folder))


if __name__ == "__main__":
    main()
