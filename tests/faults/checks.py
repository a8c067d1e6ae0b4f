"""What must hold: of every command, and of a run that has completed."""

import json
import re
import signal
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.funnel import funnel
from advertisex.analysis.reach.report import reach
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.logs.contract import EventLog
from advertisex.model import Counts
from advertisex.stores.contract import EventStore, Range, RejectQuery
from tests.faults.world import SECRET, Ended, World

#: Done, failed.
CODES = {0, 1}
#: What ends a command with another code, if it was sent to it: Python itself takes SIGTERM while it starts.
SIGNALLED = {
    130: {signal.SIGINT, signal.SIGTERM},
    -signal.SIGTERM: {signal.SIGTERM},
    -signal.SIGKILL: {signal.SIGKILL},
}
#: A command needs less; a child of a process starts at the peak of its parent.
PEAK_BYTES = 900 << 20
_UNEXPECTED = re.compile(r"Traceback|internal error|HANGS|Fatal Python error|core dumped|panicked", re.IGNORECASE)
_LOCK = re.compile(r"lock-[0-9a-f]{16}")
_POSITION = ["topic", "partition", "offset"]
_REJECT = ["feed", "kind", "reason", "payload"]
_QUESTIONS = {
    "summary": summarise,
    "summary by day": lambda store, scope: summarise(store, scope, by="day"),
    "funnel": funnel,
    "reach": reach,
    "bids": bids,
    "correlation": correlate,
    "attribution": lambda store, scope: attribute(store, scope, models=["last", "linear"]),
}


def problems_of(ended: Ended, codes: Collection[int] = CODES) -> Iterator[str]:
    """What is wrong with how a command ended, which may be with one of these codes."""
    text = ended.out + ended.err
    if ended.code not in codes and not ended.signals & SIGNALLED.get(ended.code, set()):
        yield f"{ended.command}: exit code {ended.code}: {ended.err.strip()[-500:]}"
    if _UNEXPECTED.search(text):
        yield f"{ended.command}: {text.strip()[-1500:]}"
    if SECRET in text:
        yield f"{ended.command}: printed a secret: {text.strip()[-500:]}"
    if ended.peak > PEAK_BYTES:
        yield f"{ended.command}: needed {ended.peak >> 20} MiB"
    if ended.code == 1 and not text.strip():
        yield f"{ended.command}: failed without a message"


def orphans_of(session: int, seconds: float = 10.0) -> list[str]:
    """Processes of a session that do not end after its command."""
    deadline = time.monotonic() + seconds
    while (left := list(_in_session(session))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _in_session(session: int) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, more = path.read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, of, *_ = more.split()
        if int(of) == session and state not in "ZX":
            yield name + ")"


@dataclass(frozen=True)
class Result:
    """What a completed run stored and answers."""

    ids: dict[str, list[bytes]]
    rejects: pl.DataFrame
    counts: dict[str, Counts]
    ends: dict[str, int]
    answers: dict[str, str]
    files: set[str]
    ledger: list[str]


def result_of(world: World) -> Result:
    """Read everything that is compared."""
    with world.store() as store, world.log() as log:
        return Result(
            {feed: ids_in(store, feed) for feed in world.feeds},
            rejects_in(store),
            counts_in(world, store),
            world.pair.ends(world),
            {name: _answer(ask(store, Scope())) for name, ask in _QUESTIONS.items()},
            files_of(world),
            list(_ledger_problems(world, store, log)),
        )


def ids_in(store: EventStore, feed: str) -> list[bytes]:
    return sorted(i for frame in store.scan(feed, ["event_id"], Range()) for i in frame["event_id"].to_list())


def rejects_in(store: EventStore) -> pl.DataFrame:
    columns = [*_POSITION, *_REJECT]
    return pl.concat([frame.select(columns) for frame in store.scan_rejects(RejectQuery())])


def counts_in(world: World, store: EventStore) -> dict[str, Counts]:
    """The counts of each feed, over all partitions; how often a message was read again is another matter."""
    rows = store.ledger()
    return {
        name: replace(sum((row.counts for row in rows if row.topic == feed.topic), Counts()), redelivered=0)
        for name, feed in world.feeds.items()
    }


def _answer(answer: Any) -> str:
    """An answer without the time as of which it is."""
    document = json.loads(answer.to_json())
    document["range"].pop("as_of")
    return json.dumps(document)


def files_of(world: World) -> set[str]:
    """The files and folders that commands have left; the name of a lock depends on the folder."""
    return {_LOCK.sub("lock-…", str(path.relative_to(world.folder))) for path in _paths(world)}


def _paths(world: World) -> Iterator[Path]:
    for folder in ("data", "tmp", "home"):
        yield from (world.folder / folder).rglob("*")


def _ledger_problems(world: World, store: EventStore, log: EventLog) -> Iterator[str]:
    rows = store.ledger()
    topics = {feed.topic for feed in world.feeds.values()}
    ends = {partition: end for partition, end in log.end_offsets().items() if partition.topic in topics and end}
    positions = {(row.topic, row.partition): row.next_offset for row in rows if row.next_offset}
    if positions != ends:
        yield f"the ledger is at {positions}, the log ends at {ends}"
    for row in rows:
        if not row.counts.balanced:
            yield f"the ledger does not balance: {row}"
        if world.pair.is_embedded and row.counts.read + row.counts.lost != row.next_offset:
            yield f"the ledger does not reach its offset: {row}"
    total = sum((row.counts for row in rows), Counts())
    events = sum(len(ids_in(store, feed)) for feed in world.feeds)
    kinds = store.reject_counts(RejectQuery()).group_by("kind").agg(pl.sum("count"))
    kept = dict(kinds.iter_rows())
    expected = (total.stored, total.rejected, total.filtered, total.conflict)
    found = (events, kept.get("rejected", 0), kept.get("filtered", 0), kept.get("conflict", 0))
    if expected != found:
        yield f"the ledger counts (events, rejected, filtered, conflicts) {expected}, the store holds {found}"


def differences(found: Result, expected: Result) -> Iterator[str]:
    """How a disturbed run differs from an undisturbed one."""
    yield from found.ledger
    for feed, ids in found.ids.items():
        if len(ids) != len(set(ids)):
            yield f"{feed}: {len(ids) - len(set(ids))} events are stored twice"
        lost, extra = set(expected.ids[feed]) - set(ids), set(ids) - set(expected.ids[feed])
        if lost or extra:
            yield f"{feed}: {len(lost)} events are lost, {len(extra)} are extra"
        if found.ends[feed] == expected.ends[feed] and found.counts[feed] != expected.counts[feed]:
            yield f"{feed}: the same messages were counted as {found.counts[feed]}, not {expected.counts[feed]}"
    yield from _reject_differences(found, expected)
    for name, answer in expected.answers.items():
        if found.answers[name] != answer:
            yield f"the answer to {name} differs: {_first_difference(found.answers[name], answer)}"
    if left := found.files - expected.files:
        yield f"files are left over: {', '.join(sorted(left))}"


def _reject_differences(found: Result, expected: Result) -> Iterator[str]:
    """A message that was appended twice may have two rejects; nothing else may."""
    positions = found.rejects.select(_POSITION)
    if twice := len(positions) - len(positions.unique()):
        yield f"{twice} rejects are stored twice"
    for feed in expected.ids:
        lost = _rejects_of(expected, feed) - _rejects_of(found, feed)
        extra = _rejects_of(found, feed) - _rejects_of(expected, feed)
        if found.ends[feed] > expected.ends[feed]:
            extra = Counter(reject for reject in extra if reject not in _rejects_of(expected, feed))
        if lost:
            yield f"{lost.total()} rejects are lost, such as {_shown(lost)}"
        if extra:
            yield f"{extra.total()} rejects are extra, such as {_shown(extra)}"


def _rejects_of(result: Result, feed: str) -> Counter[tuple[str, str, str, bytes]]:
    return Counter(result.rejects.filter(feed=feed).select(_REJECT).iter_rows())


def _shown(rejects: Any) -> str:
    feed, kind, reason, payload = min(rejects)
    return f"{feed} {kind} {reason} {payload[:200]!r}"


def _first_difference(one: str, other: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"{one[max(0, at - 60) : at + 60]} instead of {other[max(0, at - 60) : at + 60]}"


def secrets_in_files(world: World) -> Iterator[str]:
    """The files that hold a secret."""
    for path in _paths(world):
        if path.is_file() and SECRET.encode() in path.read_bytes():
            yield f"a secret is in {path.relative_to(world.folder)}"
