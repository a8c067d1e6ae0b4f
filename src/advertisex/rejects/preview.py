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
from advertisex.rejects.repair import Repairs
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
    """A message that would be sent."""

    position: Position
    feed: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of a replay.

    Attributes:
        examples: the first messages, as they would be sent.
        results: number of messages by result.
        unrepairable: number of rejects that cannot be repaired, because they cannot be decoded as a record.
        left: number of selected rejects that were already replayed.
        conflicts: number of conflicts left out, because they were not selected by kind, reason or position.
        unmatched: columns of the mapping that no message has.
    """

    examples: tuple[Example, ...] = ()
    results: Counter[ReplayResult] = field(default_factory=Counter)
    unrepairable: int = 0
    left: int = 0
    conflicts: int = 0
    unmatched: tuple[str, ...] = ()

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
    seen, erased = Preview(left=chosen.left, conflicts=chosen.conflicts), suppression_in(store.notes(ERASURES))
    for feed, rejects in chosen.parts(store):
        part = repairs.repair(feed, rejects)
        new = islice(part.messages.items(), max_examples - len(seen.examples))
        seen = replace(
            seen,
            examples=(*seen.examples, *(Example(position, feed, message) for position, message in new)),
            results=seen.results + _results_of(selection.feeds[feed], list(part.messages.values()), policy, erased),
            unrepairable=seen.unrepairable + part.unrepairable,
        )
    return replace(seen, unmatched=repairs.unmatched) if seen.messages else seen


def _results_of(feed: Feed, messages: Sequence[bytes], policy: Policy, erased: Suppression) -> Counter[ReplayResult]:
    now = time.time_ns() // 1000
    evaluated = evaluate(messages, [now] * len(messages), feed, policy, erased)
    rejected = evaluated.rejected.select("kind", "reason").iter_rows()
    results = Counter(ReplayResult(feed.name, kind, reason) for kind, reason in rejected)
    results[ReplayResult(feed.name, "erased")] = len(evaluated.erased)
    results[ReplayResult(feed.name, "accepted")] = len(messages) - results.total()
    return +results
