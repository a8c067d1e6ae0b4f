"""The status of replayed rejects."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from advertisex.model import Partition, Position
from advertisex.rejects.selection import positions_of
from advertisex.stores.contract import EventStore, RejectQuery


class ReplayStatus(NamedTuple):
    """The status of a replayed message; `accepted` means stored, or a duplicate of a stored event."""

    kind: Literal["waiting", "accepted", "rejected", "filtered"]
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
    rejects = store.rejects(RejectQuery(positions=frozenset(positions)))
    not_accepted = dict(zip(positions_of(rejects), map(ReplayStatus, rejects["kind"], rejects["reason"]), strict=True))
    return {
        text: not_accepted.get(at)
        or ReplayStatus("accepted" if at.offset < ends.get(Partition(*at[:2]), 0) else "waiting")
        for at, text in positions.items()
    }
