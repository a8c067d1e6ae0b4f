"""Exactly once on a cluster: workers are killed, paused and rebalanced; every event is stored and counted once."""

import random
import signal
import subprocess
import time
from dataclasses import fields
from typing import Any

import polars as pl
from confluent_kafka.admin import AdminClient

from advertisex.model import Counts, LedgerRow, Partition
from advertisex.processing.policy import Policy
from advertisex.simulator import BLOCKED_SITES, BLOCKED_USERS, SimulationSettings, publish_simulation
from advertisex.stores.contract import RejectQuery
from tests.budget import usually
from tests.cluster.traffic import expected_ids, stored_ids, wait_until

EVENTS = usually(80_000, thorough=300_000)
KILLS = usually(10, thorough=30)
PAUSES = usually(1, thorough=2)
#: Kill the next worker after this time even without progress.
KILL_SECONDS = 5.0
DEADLINE_SECONDS = 300.0


class Group:
    """The consumer group of a cluster's workers, as Kafka sees it."""

    def __init__(self, cluster: Any) -> None:
        settings = cluster.settings
        self._name = settings.kafka.group
        self._admin = AdminClient({"bootstrap.servers": settings.log_url.removeprefix("kafka://")})
        self.partitions = len(cluster.feeds) * settings.kafka.partitions

    def assignments(self) -> list[int]:
        """Return the number of partitions of each member."""
        found = self._admin.describe_consumer_groups([self._name])[self._name].result()
        return [len(member.assignment.topic_partitions) for member in found.members]


class Workers:
    """Two workers of one group, killed and paused at seeded random."""

    def __init__(self, cluster: Any, rng: random.Random) -> None:
        self._cluster, self._rng = cluster, rng
        self._group = Group(cluster)
        self._running = [self._start(), self._start()]
        self.kills = 0

    def _start(self) -> subprocess.Popen[bytes]:
        return self._cluster.start("process", "--follow", "--batch-size", 1_000, stdout=subprocess.DEVNULL)

    def kill_one(self) -> None:
        victim = self._running.pop(self._rng.randrange(2))
        victim.kill()
        victim.wait()
        self._running.append(self._start())
        self.kills += 1

    def pause_one(self) -> None:
        """Pause one until it has lost all its partitions to the other; then it resumes as a zombie."""
        victim = self._running[self._rng.randrange(2)]
        victim.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: self._group.assignments() == [self._group.partitions], "the other has every partition")
        finally:
            victim.send_signal(signal.SIGCONT)

    def end(self) -> list[int]:
        for worker in self._running:
            worker.send_signal(signal.SIGTERM)
        return [worker.wait(60) for worker in self._running]


def total(cluster: Any) -> Counts:
    with cluster.store() as store:
        return sum((row.counts for row in store.ledger()), Counts())


def test_killed_paused_and_rebalanced_workers_store_every_event_once(make_cluster: Any) -> None:
    policy_lines = ["[policy]", f"blocked_users = {list(BLOCKED_USERS)}", f"blocked_sites = {list(BLOCKED_SITES)}"]
    cluster = make_cluster(more=policy_lines)
    policy = Policy(blocked_users=frozenset(BLOCKED_USERS), blocked_sites=frozenset(BLOCKED_SITES))
    with cluster.log() as log:
        truth = publish_simulation(log, SimulationSettings(events=EVENTS, seed=7), feeds=cluster.feeds)
        expected = expected_ids(log, cluster.feeds, policy)
        ends = {p: end for p, end in log.end_offsets().items() if p.topic in {f.topic for f in cluster.feeds.values()}}
    with cluster.store(read_only=False):
        pass

    rng = random.Random(7)
    workers = Workers(cluster, rng)
    deadline = time.monotonic() + DEADLINE_SECONDS
    seen: set[int] = {0}
    killed_at = time.monotonic()
    try:
        while (read := total(cluster).read) < EVENTS or workers.kills < KILLS:
            assert time.monotonic() < deadline, f"{read} of {EVENTS} messages after {workers.kills} kills"
            progressed = read not in seen
            if workers.kills < KILLS and (progressed or time.monotonic() > killed_at + KILL_SECONDS):
                seen.add(read)
                workers.kill_one()
                if workers.kills % (KILLS // PAUSES) == 0:
                    workers.pause_one()
                killed_at = time.monotonic()
            time.sleep(rng.uniform(0.1, 0.5))
    finally:
        codes = workers.end()

    assert codes == [0, 0]
    assert len(seen) > KILLS // 2, "most kills must happen while messages are being processed"
    with cluster.store() as store:
        ledger, history = store.ledger(), store.commits()
        stored = {name: stored_ids(store, name) for name in expected}
        reasons = {name: _reasons(store, name) for name in expected}
    assert all(row.counts.balanced for row in ledger)
    read_to = {Partition(row.topic, row.partition): row.next_offset for row in ledger}
    assert read_to == {partition: end for partition, end in ends.items() if end}
    assert [row.counts for row in ledger] == added_up(history, ledger), "the commits add up to the ledger"
    for name, ids in stored.items():
        assert len(ids) == len(set(ids)) == truth.feeds[name].stored
        assert set(ids) == expected[name]
        of_feed = sum((row.counts for row in ledger if row.topic == cluster.feeds[name].topic), Counts())
        assert (of_feed.read, of_feed.stored) == (truth.feeds[name].read, truth.feeds[name].stored)
        assert of_feed.duplicate == truth.feeds[name].duplicate
        expected_reasons = truth.feeds[name].rejected | truth.feeds[name].filtered
        assert reasons[name] == {reason: n for reason, n in expected_reasons.items() if n}


def added_up(history: pl.DataFrame, ledger: list[LedgerRow]) -> list[Counts]:
    """Return the sum of the commits of each partition; check that they are contiguous."""
    sums = []
    for row in ledger:
        own = history.filter(topic=row.topic, partition=row.partition)
        assert own["start"].to_list()[1:] == own["end"].to_list()[:-1]
        assert own["end"].to_list()[-1] == row.next_offset
        sums.append(Counts(**own.select(pl.sum(f.name for f in fields(Counts))).row(0, named=True)))
    return sums


def _reasons(store: Any, feed: str) -> dict[str, int]:
    counts = store.reject_counts(RejectQuery(feed=feed)).filter(pl.col("kind") != "conflict")
    return dict(counts.group_by("reason").agg(pl.sum("count")).iter_rows())
