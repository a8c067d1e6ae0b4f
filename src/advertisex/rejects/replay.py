"""Replay: appends rejects to the log, repaired or unchanged, and marks each with its new position.

Each part is appended first and then marked. After a crash in between, the part is in the log but not marked. Replaying
it again is harmless, since an event's identity is its content.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Literal, NamedTuple

from advertisex.logs.contract import EventLog
from advertisex.model import Partition, Position
from advertisex.processing.log_check import check_log
from advertisex.rejects.repair import Applied, Repaired, Repairs
from advertisex.rejects.selection import Selection, choose
from advertisex.stores.contract import EventStore, RejectQuery


@dataclass(frozen=True, slots=True)
class Sent:
    """The messages sent to one partition: their number, and the first and last offset (not necessarily contiguous)."""

    messages: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """Result of a replay.

    Attributes:
        sent: what was sent, by partition of the log.
        feeds: number of messages sent, by feed.
        unrepairable: number of rejects left unchanged, because they cannot be decoded as a record.
        left: number of selected rejects that were already replayed.
        resolved: number of further selected rejects that are resolved.
        conflicts: number of conflicts left out, because they were not selected by kind, reason or position.
        applied: to what the options of the repair did not apply.
        interrupted: whether the replay stopped before all messages were sent.
    """

    sent: Mapping[Partition, Sent] = field(default_factory=dict)
    feeds: Mapping[str, int] = field(default_factory=dict)
    unrepairable: int = 0
    left: int = 0
    resolved: int = 0
    conflicts: int = 0
    applied: Applied = field(default_factory=Applied)
    interrupted: bool = False

    @property
    def messages(self) -> int:
        """Number of messages sent."""
        return sum(self.feeds.values())


def replay(
    store: EventStore,
    log: EventLog,
    selection: Selection,
    *,
    stop: Event | None = None,
    on_progress: Callable[[int], None] = lambda messages: None,
) -> Replayed:
    """Append rejects to the log, and mark each with its new position.

    Args:
        store: the event store.
        log: the event log; messages go to the topic that is configured for their feed.
        selection: the rejects, and how to repair them.
        stop: stops the replay after the current part when set.
        on_progress: called after each part with the number of messages sent so far.

    Raises:
        ConfigurationError: a position has no reject, a reject selected by position was already replayed or is
            resolved (without `force`), or the mapping contains an unknown field.
        StoreError: the log is not the one that was processed, or the store cannot be written. All messages sent are
            marked, except those of the last part.
        LogError: the log cannot be written. Some messages may be in the log without being marked.
    """
    check_log(log, store, [feed.topic for feed in selection.feeds.values()])
    chosen = choose(store, selection)
    repairs = Repairs(selection, chosen.feeds)
    done = Replayed(left=chosen.left, resolved=chosen.resolved, conflicts=chosen.conflicts)
    for feed, rejects in chosen.parts(store):
        if stop is not None and stop.is_set():
            done = replace(done, interrupted=True)
            break
        part = repairs.repair(feed, rejects)
        positions: list[Position] = []
        if part.messages:
            positions = log.append_each(selection.feeds[feed].topic, list(part.messages.values()))
            store.mark_replayed(dict(zip(part.messages, positions, strict=True)))
        done = _added(done, part, positions)
        if positions:
            on_progress(done.messages)
    return replace(done, applied=repairs.applied)


def _added(done: Replayed, part: Repaired, positions: Sequence[Position]) -> Replayed:
    """The result after a further part, which was sent to these positions."""
    sent = dict(done.sent)
    for topic, partition, offset in positions:
        before = sent.get(Partition(topic, partition), Sent(0, offset, offset))
        sent[Partition(topic, partition)] = Sent(
            before.messages + 1, min(before.first, offset), max(before.last, offset)
        )
    feeds = Counter(done.feeds) + Counter({part.feed: len(positions)})
    return replace(done, sent=sent, feeds=dict(feeds), unrepairable=done.unrepairable + part.unrepairable)


class ReplayStatus(NamedTuple):
    """The status of a replayed message; `accepted` means stored, or a duplicate that agrees with a stored event."""

    kind: Literal["waiting", "accepted", "rejected", "filtered", "conflict"]
    reason: str = ""


def replay_statuses(store: EventStore, replays: Collection[str]) -> dict[str, ReplayStatus]:
    """Look up the status of replayed messages.

    Args:
        store: the event store.
        replays: positions of the messages in the log, as text.

    Returns:
        The status of each message, by position.
    """
    if not replays:
        return {}
    ends = {Partition(row.topic, row.partition): row.next_offset for row in store.ledger()}
    positions = {Position.read(text): text for text in replays}
    query = RejectQuery(positions=frozenset(positions))
    not_accepted = {
        Position(*at): ReplayStatus(kind, reason)
        for part in store.scan_rejects(query, ["topic", "partition", "offset", "kind", "reason"])
        for *at, kind, reason in part.iter_rows()
    }
    return {
        text: not_accepted.get(at)
        or ReplayStatus("accepted" if at.offset < ends.get(Partition(*at[:2]), 0) else "waiting")
        for at, text in positions.items()
    }
