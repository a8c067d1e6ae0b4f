"""Compares an undisturbed run with what the simulator knows about its inputs."""

from collections import Counter
from collections.abc import Iterator, Sequence

import polars as pl

from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.logs.open import open_log
from advertisex.processing.configured import processing_of
from advertisex.processing.runner import process_log
from advertisex.stores.contract import EventStore, Range, RejectQuery
from advertisex.stores.open import open_store
from tests.faults.checks import Result, ids_in, rejects_in
from tests.faults.hostile import HOSTILE
from tests.faults.workload import ENDINGS
from tests.faults.world import World


def truth_problems(world: World, found: Result) -> Iterator[str]:
    """How an undisturbed run differs from the truth of the simulator.

    The truth holds for all inputs read once; from there on, what an erasure and a replay change is known.
    """
    workload, log_url, store_url = world.workload, "sqlite:///:memory:", "duckdb:///:memory:"
    with open_log(log_url) as log, open_store(store_url, read_only=False) as store:
        for feed in world.feeds.values():
            paths = [str(world.folder / "parts" / f"{part}.{feed.name}.{ENDINGS[feed.name]}") for part in (0, 1)]
            ingest(feed, paths, log, IngestOptions())
        process_log(log, store, processing_of(world.settings))
        erased = any(step.arguments[0] == "erase" for step in workload.steps)
        replayed = any(step.arguments[0] == "rejects" for step in workload.steps)
        yield from _reject_problems(store, found, workload.user if erased else "", replayed=replayed)
        for feed in world.feeds:
            hostile = len(HOSTILE[feed])
            known, stored = workload.truth.feeds[feed], ids_in(store, feed)
            if len(stored) != known.stored:
                yield f"truth: {feed}: {len(stored)} events are stored, not {known.stored}"
            of_user = set(_ids_of(store, feed, workload.user)) if erased else set()
            expected, ids = set(stored) - of_user, set(found.ids[feed])
            most = known.rejected["bad_timestamp"] + hostile if replayed else 0
            if not expected <= ids or len(ids - expected) > most:
                yield f"truth: {feed}: {len(expected - ids)} events are lost, {len(ids - expected)} are extra"
            reasons = store.reject_counts(RejectQuery(feed=feed)).filter(pl.col("kind") != "conflict")
            count = reasons["count"].sum()
            rejects = sum((known.rejected | known.filtered).values())
            if count != rejects + hostile:
                yield f"truth: {feed}: {count} rejects, not {rejects} and {hostile} hostile ones"


def _reject_problems(store: EventStore, found: Result, user: str, *, replayed: bool) -> Iterator[str]:
    """How the rejects differ from those of all inputs read once, without conflicts.

    Args:
        store: has these.
        found: has those of the run.
        user: the erased user, whose rejects are erased, too; empty: none.
        replayed: whether messages without a time were processed again.
    """
    rejects = rejects_in(store)
    expected, got = _reasons(rejects), _reasons(found.rejects)
    erased = _reasons(rejects.filter(pl.col("payload").bin.contains(user.encode()))) if user else Counter[str]()
    again = sum(count for name, count in expected.items() if "bad_timestamp" in name) if replayed else 0
    if lost := expected - got - erased:
        yield f"truth: rejects are lost: {dict(lost)}"
    if (extra := got - expected).total() > again:
        yield f"truth: rejects are extra: {dict(extra)}"


def _reasons(rejects: pl.DataFrame) -> Counter[str]:
    """The number of different payloads by reason: a source that was polled sends the same record once only."""
    known = rejects.filter(pl.col("kind") != "conflict").unique(["feed", "kind", "reason", "payload"])
    return Counter(" ".join(row) for row in known.select("feed", "kind", "reason").iter_rows())


def _ids_of(store: EventStore, feed: str, user: str) -> list[bytes]:
    frames: Sequence[pl.DataFrame] = list(store.scan(feed, ["event_id", "user_id"], Range()))
    return [i for frame in frames for i in frame.filter(pl.col("user_id") == user)["event_id"].to_list()]
