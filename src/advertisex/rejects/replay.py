"""Replay: rejects go back into the log, mended or as they are, and are marked with where they went.

Some at a time: appended first, then marked. A crash between the two leaves some that are in the log and not marked; to
replay them again is harmless, since the identity of an event is its content.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

from advertisex.batches import Partition, Position
from advertisex.logs.contract import EventLog
from advertisex.rejects.selection import Selection, choose
from advertisex.stores.contract import EventStore
from advertisex.stores.same_log import check_same_logs


@dataclass(frozen=True, slots=True)
class Sent:
    """What went to one partition: how many messages, the first offset and the last; others may lie between."""

    messages: int
    first: int
    last: int


@dataclass(slots=True)
class Replayed:
    """What a replay has done.

    Attributes:
        sent: by partition of the log.
        feeds: for each feed, how many messages were sent.
        unmendable: rejects that are no record that a field could be set in: they were left as they are.
        left: rejects that were selected, but had been replayed before.
        unmatched: the columns of the mapping that no message had.
        interrupted: whether it was ended before all were sent.
    """

    sent: dict[Partition, Sent] = field(default_factory=dict)
    feeds: dict[str, int] = field(default_factory=dict)
    unrepairable: int = 0
    left: int = 0
    unmatched: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def messages(self) -> int:
        """How many were sent."""
        return sum(self.feeds.values())

    def note(self, feed: str, positions: Sequence[Position]) -> None:
        """Count messages that are in the log."""
        self.feeds[feed] = self.feeds.get(feed, 0) + len(positions)
        for topic, partition, offset in positions:
            before = self.sent.get(Partition(topic, partition), Sent(0, offset, offset))
            now = Sent(before.messages + 1, min(before.first, offset), max(before.last, offset))
            self.sent[Partition(topic, partition)] = now


def replay(
    store: EventStore,
    log: EventLog,
    selection: Selection,
    stop: Event,
    on_progress: Callable[[int], None] = lambda messages: None,
) -> Replayed:
    """Send rejects to the log again, and mark each with the position of its replay.

    Args:
        store: where they are.
        log: where they go: to the topic that their feed has now.
        selection: which, and how.
        stop: when set, it ends after what is being sent.
        on_progress: told how many were sent, each time.

    Raises:
        ConfigurationError: see `choose`.
        StoreError: the ledger is that of another log, or the store cannot be written. What was sent is marked, but for
            the last few.
        LogError: the log cannot be written; some of what is not marked may be in it.
    """
    check_same_logs(store.ledger(), log.identities([feed.topic for feed in selection.feeds.values()]))
    chosen = choose(store, selection)
    done = Replayed(left=chosen.left)
    for part in chosen.parts(store):
        if stop.is_set():
            done.interrupted = True
            break
        done.unrepairable += part.unrepairable
        if part.messages:
            places = log.append_each(selection.feeds[part.feed].topic, list(part.messages.values()))
            store.mark_replayed(dict(zip(part.messages, places, strict=True)))
            done.note(part.feed, places)
            on_progress(done.messages)
    done.unmatched = chosen.unmatched() if done.messages else ()
    return done
