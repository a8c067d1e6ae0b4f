"""Fencing of zombies: a worker drops its batch if another has advanced the partition; events are counted once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
from structlog.testing import capture_logs

from advertisex.errors import LedgerMoved
from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.model import Counts, Partition, Span
from advertisex.processing.configured import processing_of
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.stores.contract import Range

EVENTS, BATCH, TAKEN = 1_000, 100, 300


def clicks(count: int) -> list[bytes]:
    one = {"timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k", "conversion_type": "click"}
    return [json.dumps(one | {"user_id": f"u{i}"}).encode() for i in range(count)]


@pytest.fixture
def cluster(make_cluster: Any) -> Any:
    return make_cluster(partitions=1)


@pytest.fixture
def processing(cluster: Any) -> Processing:
    whole = processing_of(cluster.settings)
    return replace(whole, feeds={"clicks": whole.feeds["clicks"]}, batch_size=BATCH)


@pytest.fixture
def other_group(cluster: Any) -> Iterator[EventLog]:
    """The same log for a second group with the same partition, as if the first had lost it without noticing."""
    settings = cluster.settings.kafka.model_copy(update={"group": f"{cluster.settings.kafka.group}-other"})
    with open_log(cluster.settings.log_url, kafka=settings) as log:
        yield log


@pytest.mark.parametrize("at", ["before the commit", "after the events, before the ledger"])
def test_a_fenced_worker_commits_nothing_and_resumes_from_the_ledger(
    cluster: Any, processing: Processing, other_group: EventLog, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    topic = processing.feeds["clicks"].topic
    asleep, awake, rejected = Event(), Event(), list[Span]()
    with cluster.log() as log, cluster.store(read_only=False) as zombie, cluster.store(read_only=False) as store:
        log.append(topic, clicks(EVENTS))
        where, name = (zombie, "commit") if at == "before the commit" else (zombie._ledger, "advance")
        write = getattr(where, name)

        def sleep_once(outcome: Any, *more: Any) -> Any:
            if not asleep.is_set():
                asleep.set()
                assert awake.wait(60)
            try:
                return write(outcome, *more)
            except LedgerMoved:
                rejected.append(outcome.span)
                raise

        monkeypatch.setattr(where, name, sleep_once)
        stop, taken = Event(), list[Counts]()

        def stop_after_some(committed: Committed) -> None:
            taken.append(committed.counts)
            if sum(c.read for c in taken) == TAKEN:
                stop.set()

        with ThreadPoolExecutor(1) as pool, capture_logs() as lines:
            slept = pool.submit(process_log, log, zombie, processing)
            assert asleep.wait(60)
            process_log(other_group, store, processing, stop=stop, on_commit=stop_after_some)
            (row,) = store.ledger()
            assert (row.next_offset, row.counts.read, row.counts.stored) == (TAKEN, TAKEN, TAKEN)
            awake.set()
            done = slept.result(60)

        assert [(span.start, span.end) for span in rejected] == [(0, BATCH)]
        assert [line["where"] for line in lines if "a batch is processed again" in line["event"]] == [f"{topic}/0/0"]
        assert done == Counts(read=EVENTS - TAKEN, stored=EVENTS - TAKEN)
        (row,) = store.ledger()
        redelivered = (
            0 if at == "before the commit" else BATCH
        )  # its documents had been written already, but not counted
        assert row.counts == Counts(read=EVENTS, stored=EVENTS, redelivered=redelivered)
        assert store.positions() == {Partition(topic, 0): EVENTS}
        offsets = [o for frame in store.scan("clicks", ["offset"], Range()) for o in frame["offset"].to_list()]
        assert sorted(offsets) == list(range(EVENTS))
