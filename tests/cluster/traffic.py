"""Simulated traffic in a test's own topics, and the check that a store holds and counts every event once."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from advertisex.logs.contract import EventLog
from advertisex.model import Counts, Partition
from advertisex.processing.configured import processing_of
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.simulator import BLOCKED_SITES, BLOCKED_USERS, Simulation, SimulationSettings
from advertisex.stores.contract import EventStore, Range, RejectQuery

#: Settings that the truth of a simulation assumes.
POLICY = ["[policy]", f"blocked_users = {list(BLOCKED_USERS)}", f"blocked_sites = {list(BLOCKED_SITES)}"]
_RUN = 250


class Traffic:
    """A simulation, published in small runs, so that faults occur between them.

    Args:
        cluster: the cluster to publish to.
        events: number of messages.
        seed: seed of the simulation.
        copies: how often everything is published; valid events are then duplicates in later batches.
    """

    def __init__(self, cluster: Any, *, events: int, seed: int, copies: int = 1) -> None:
        simulation = Simulation(SimulationSettings(events=events, seed=seed), "log")
        messages = [item for chunk in simulation.chunks() for item in chunk.messages.items()]
        self.cluster = cluster
        self.runs = [(feed, run[at : at + _RUN]) for feed, run in messages for at in range(0, len(run), _RUN)] * copies
        self.truth = simulation.truth()
        self.copies = copies
        self.events = events * copies
        self.published = 0

    def publish(self, fraction: float = 1.0, *, over: float = 0.0) -> None:
        """Publish up to this fraction of all messages, over `over` seconds."""
        runs = self.runs[self.published : round(len(self.runs) * fraction)]
        with self.cluster.log() as log:
            for feed, run in runs:
                log.append(self.cluster.feeds[feed].topic, run)
                self.published += 1
                time.sleep(over / len(runs))

    @contextmanager
    def publishing(self, *, over: float = 0.0) -> Iterator[None]:
        """Publish the rest in the background."""
        with ThreadPoolExecutor(1) as pool:
            published = pool.submit(self.publish, over=over)
            yield
            published.result()

    def assert_stored_once(self, store_url: str = "") -> Counts:
        """Check that store, ledger and truth agree: nothing lost, nothing counted twice. Return the total counts."""
        with self.cluster.log() as log:
            expected = expected_ids(log, self.cluster.feeds, processing_of(self.cluster.settings).policy)
            topics = {feed.topic for feed in self.cluster.feeds.values()}
            ends = {p: end for p, end in log.end_offsets().items() if p.topic in topics and end}
        with self.cluster.store(url=store_url) as store:
            ledger = store.ledger()
            assert all(row.counts.balanced for row in ledger)
            assert {Partition(row.topic, row.partition): row.next_offset for row in ledger if row.next_offset} == ends
            for name, feed in self.cluster.feeds.items():
                truth = self.truth.feeds[name]
                stored = stored_ids(store, name)
                assert len(stored) == len(set(stored)) == truth.stored
                assert set(stored) == expected[name]
                rejects = store.reject_counts(RejectQuery(feed=name)).filter(pl.col("kind") != "conflict")
                reasons = rejects.group_by("reason").agg(pl.sum("count"))
                expected_reasons = {
                    reason: n * self.copies for reason, n in (truth.rejected | truth.filtered).items() if n
                }
                assert dict(reasons.iter_rows()) == expected_reasons
                counts = sum((row.counts for row in ledger if row.topic == feed.topic), Counts())
                assert counts.read == truth.read * self.copies
                assert counts.stored == truth.stored
                assert counts.duplicate == counts.read - counts.stored - sum(expected_reasons.values())
        return sum((row.counts for row in ledger), Counts())


def expected_ids(log: EventLog, feeds: dict[str, Any], policy: Policy) -> dict[str, set[bytes]]:
    """Return the identities of all valid events, by processing every message once in this process."""
    found: dict[str, set[bytes]] = {}
    for name, feed in feeds.items():
        ids: set[bytes] = set()
        for partition in log.partitions(feed.topic):
            offset = 0
            while len(batch := log.read(feed.topic, partition, offset, 50_000)):
                ids.update(process(batch, feed, policy).events["event_id"].to_list())
                offset = batch.span.end
        found[name] = ids
    return found


def stored_ids(store: EventStore, feed: str) -> list[bytes]:
    return [i for frame in store.scan(feed, ["event_id"], Range()) for i in frame["event_id"].to_list()]


def messages_read(store: EventStore) -> int:
    """Return how many messages the ledger counts."""
    return sum(row.counts.read for row in store.ledger())


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0, every: float = 0.05) -> None:
    """Wait for a condition; fail after a timeout."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(every)


def memory(pid: int | str = "self", *, peak: bool = False) -> int:
    """Return the resident memory of a process in bytes: current or peak."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines: Sequence[str] = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])
