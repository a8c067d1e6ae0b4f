"""What has been read of an object; kept in the log, one small key per object."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from advertisex.logs.contract import EventLog

#: An object that is gone is remembered for this long: one that is put again with the same content is not new.
REMEMBERED = timedelta(days=30)


class ObjectState(msgspec.Struct, frozen=True, array_like=True):
    """What has been read of one version of an object. The content of a version never changes.

    Attributes:
        version: the version.
        modified: when it was written, in microseconds since the epoch (UTC).
        complete: whether all of it has been read.
        finished: number of its first inputs (itself, or members of an archive) that have been read completely.
        sent: number of messages that are in the log of each further input, by its index.
        gone_at: when it was first missing in a listing, in microseconds since the epoch (UTC); 0 if it is there.
    """

    version: str = ""
    modified: int = 0
    complete: bool = False
    finished: int = 0
    sent: dict[int, int] = {}
    gone_at: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ObjectState).decode


def load(state: Mapping[str, bytes], prefix: str) -> dict[str, ObjectState]:
    """Return the states of objects in a log's state, by key of the object."""
    return {key.removeprefix(prefix): _decode(value) for key, value in state.items()}


def dump(state: ObjectState) -> bytes:
    """Return a state as bytes."""
    return _encode(state)


def missed(states: Mapping[str, ObjectState], missing: set[str], now: int) -> dict[str, ObjectState | None]:
    """Return how the states change after a complete listing.

    Args:
        states: all states, by key of the object.
        missing: keys of the objects that are gone.
        now: time of the listing, in microseconds since the epoch (UTC).

    Returns:
        The changed states; None for an object that is forgotten.
    """
    changes: dict[str, ObjectState | None] = {}
    for key, state in states.items():
        if key not in missing:
            if state.gone_at:
                changes[key] = msgspec.structs.replace(state, gone_at=0)
        elif not state.gone_at or state.gone_at > now:  # the clock was fast
            changes[key] = msgspec.structs.replace(state, gone_at=now)
        elif now - state.gone_at > REMEMBERED / timedelta(microseconds=1):
            changes[key] = None
    return changes


def backfill(log: EventLog, topic: str, prefix: str, since: datetime) -> int:
    """Let the objects that were written at or after a time be read again. Return their number.

    Raises:
        LogError: the log could not be read or written.
    """
    earliest = since.timestamp() * 1_000_000
    again = [key for key, value in log.state(prefix).items() if _decode(value).modified >= earliest]
    if again:
        log.append(topic, (), state=dict.fromkeys(again))
    return len(again)
