"""Previews a replay: what would be sent, and how processing would treat it. Writes nothing."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from advertisex.feeds import Feed
from advertisex.model import Position
from advertisex.processing.pipeline import evaluate
from advertisex.processing.policy import Policy
from advertisex.processing.suppression import Suppression, suppression_in
from advertisex.rejects.repair import Applied, Repairs
from advertisex.rejects.selection import Selection, choose
from advertisex.stores.contract import ERASURES, EventStore


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How processing would treat a replayed message.

    Attributes:
        feed: feed of the message.
        kind: `accepted` (may still be a duplicate or a conflict), `rejected`, `filtered`, or `erased` for a suppressed
            message of an erased user.
        reason: reason code of a rejected or filtered message.
    """

    feed: str
    kind: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A message that would be sent, and its result."""

    position: Position
    message: bytes
    result: ReplayResult


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of a replay.

    Attributes:
        examples: the first messages, as they would be sent.
        results: number of messages by result.
        unrepairable: number of rejects that cannot be repaired, because they cannot be decoded as a record.
        left: number of selected rejects that were already replayed.
        resolved: number of further selected rejects that are resolved.
        conflicts: number of conflicts left out, because they were not selected by kind, reason or position.
        applied: to what the options of the repair do not apply.
    """

    examples: tuple[Example, ...] = ()
    results: Counter[ReplayResult] = field(default_factory=Counter)
    unrepairable: int = 0
    left: int = 0
    resolved: int = 0
    conflicts: int = 0
    applied: Applied = field(default_factory=Applied)

    @property
    def messages(self) -> int:
        """Number of messages that would be sent."""
        return self.results.total()


def preview(store: EventStore, selection: Selection, policy: Policy = Policy(), max_examples: int = 5) -> Preview:
    """Preview a replay.

    Args:
        store: the event store.
        selection: the rejects, and how to repair them.
        policy: the filter policy.
        max_examples: maximum number of examples.

    Raises:
        ConfigurationError: as for `replay`.
    """
    chosen = choose(store, selection)
    repairs, policy = Repairs(selection, chosen.feeds), replace(policy, kept_since=store.kept_since())
    erased = suppression_in(store.notes(ERASURES))
    seen = Preview(left=chosen.left, resolved=chosen.resolved, conflicts=chosen.conflicts)
    for feed, rejects in chosen.parts(store):
        part = repairs.repair(feed, rejects)
        results = _results_of(selection.feeds[feed], list(part.messages.values()), policy, erased)
        new = islice(zip(part.messages.items(), results, strict=True), max_examples - len(seen.examples))
        seen = replace(
            seen,
            examples=(*seen.examples, *(Example(at, message, result) for (at, message), result in new)),
            results=seen.results + Counter(results),
            unrepairable=seen.unrepairable + part.unrepairable,
        )
    return replace(seen, applied=repairs.applied)


def _results_of(feed: Feed, messages: Sequence[bytes], policy: Policy, erased: Suppression) -> list[ReplayResult]:
    """The result of each message."""
    now = time.time_ns() // 1000
    evaluated = evaluate(messages, [now] * len(messages), feed, policy, erased)
    results = [ReplayResult(feed.name, "accepted")] * len(messages)
    for row, kind, reason in evaluated.rejected.select("row", "kind", "reason").iter_rows():
        results[row] = ReplayResult(feed.name, kind, reason)
    for row in evaluated.erased:
        results[row] = ReplayResult(feed.name, "erased")
    return results
