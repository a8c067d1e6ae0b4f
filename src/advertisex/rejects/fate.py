"""What became of the replays of rejects."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from advertisex.batches import Partition, Position
from advertisex.rejects.selection import positions_of
from advertisex.stores.contract import EventStore, RejectQuery


class ReplayStatus(NamedTuple):
    """What processing made of a message: `accepted` is stored, or a duplicate of what is stored."""

    kind: Literal["waiting", "accepted", "rejected", "filtered"]
    reason: str = ""


def replay_statuses(store: EventStore, replays: Collection[str]) -> dict[str, ReplayStatus]:
    """What became of messages in the log, by their positions as text."""
    if not replays:
        return {}
    ends = {Partition(row.topic, row.partition): row.next_offset for row in store.ledger()}
    positions = {Position.read(text): text for text in replays}
    again = store.rejects(RejectQuery(positions=frozenset(positions)))
    refused = dict(zip(positions_of(again), map(ReplayStatus, again["kind"], again["reason"]), strict=True))
    return {
        text: refused.get(at) or ReplayStatus("accepted" if at.offset < ends.get(Partition(*at[:2]), 0) else "waiting")
        for at, text in positions.items()
    }
