"""What a replay would send, and what processing would make of it; nothing is written."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from advertisex.batches import Batch, Position, Span
from advertisex.feeds import Feed
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.suppression import Suppression, suppression_in
from advertisex.rejects.selection import Selection, choose
from advertisex.stores.contract import ERASURES, EventStore


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What processing would say of a message; one that is accepted may still be a duplicate, and has no reason.

    One of an erased user is withheld: its kind is `erased`.
    """

    feed: str
    kind: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One message that would be sent."""

    position: Position
    feed: str
    message: bytes


@dataclass(slots=True)
class Preview:
    """What a replay would do.

    Attributes:
        examples: the first messages, as they would be sent.
        verdicts: how many would be accepted, filtered or rejected.
        unmendable: rejects that are no record that a field could be set in.
        left: rejects that were selected, but had been replayed before.
        unmatched: the columns of the mapping that no message has.
    """

    examples: list[Example] = field(default_factory=list)
    results: Counter[ReplayResult] = field(default_factory=Counter)
    unrepairable: int = 0
    left: int = 0
    unmatched: tuple[str, ...] = ()

    @property
    def messages(self) -> int:
        """How many would be sent."""
        return self.results.total()


def preview(store: EventStore, selection: Selection, policy: Policy, most: int) -> Preview:
    """Find out what a replay would do.

    Args:
        store: where the rejects are.
        selection: which, and how.
        policy: as processing has it.
        most: so many examples are given.

    Raises:
        ConfigurationError: see `choose`.
    """
    chosen = choose(store, selection)
    seen, erased = Preview(left=chosen.left), suppression_in(store.notes(ERASURES))
    for part in chosen.parts(store):
        seen.unrepairable += part.unrepairable
        some = islice(part.messages.items(), most - len(seen.examples))
        seen.examples += [Example(position, part.feed, message) for position, message in some]
        seen.results += _results_of(selection.feeds[part.feed], list(part.messages.values()), policy, erased)
    seen.unmatched = chosen.unmatched() if seen.messages else ()
    return seen


def _results_of(feed: Feed, messages: Sequence[bytes], policy: Policy, erased: Suppression) -> Counter[ReplayResult]:
    many, now = len(messages), time.time_ns() // 1000
    batch = Batch(Span(feed.topic, 0, 0, many), range(many), messages, [now] * many)
    outcome = process(batch, feed, policy, Catalogue(), erased)
    results = Counter({ReplayResult(feed.name, "accepted"): outcome.events.height + outcome.repeated})
    results[ReplayResult(feed.name, "erased")] = outcome.suppressed.height
    for kind, reason in outcome.rejects.select("kind", "reason").iter_rows():
        results[ReplayResult(feed.name, kind, reason)] += 1
    return +results
