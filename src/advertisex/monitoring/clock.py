"""Stored times that lie in the future: the clock was fast when they were stored, or is slow now.

They are not believed, because nothing would be evaluated until the clock has passed them.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from advertisex.monitoring.rules import Key
from advertisex.monitoring.states import State, States, incidents


class Clock(NamedTuple):
    """What is believed of stored times.

    Attributes:
        now: current time.
        limit: a stored time after this one is not believed.
        latest: the bucket from which such a time is replaced with; later buckets are evaluated again.
        cooldown: the cooldown of notices.
    """

    now: datetime
    limit: datetime
    latest: datetime
    cooldown: timedelta


def is_in_future(state: State, limit: datetime) -> bool:
    """Whether a time of an alert is after the limit."""
    times = ((one.since, one.seen, one.fired, one.ended, one.notified_at) for one in incidents(state))
    return any(time is not None and time > limit for one in times for time in one)


def without_future(states: States, clock: Clock) -> dict[Key, State]:
    """Correct the times of alerts that lie in the future.

    An incident that begins in the future is dropped; if a channel was notified of its start, it is closed, so that the
    channel is also notified of its end.

    Returns:
        The new states.
    """
    after = {
        key: _corrected(state, clock) if is_in_future(state, clock.limit) else state for key, state in states.items()
    }
    return {key: state for key, state in after.items() if state is not None}


def _corrected(state: State | None, clock: Clock) -> State | None:
    if state is None:
        return None
    last, begins_in_future = _corrected(state.last, clock), state.since > clock.limit
    if begins_in_future and "firing" not in state.notified.values():
        return last
    state = replace(
        state,
        since=min(state.since, clock.latest) if begins_in_future else state.since,
        seen=min(state.seen, clock.latest),
        fired=_earlier(state.fired, clock.latest),
        ended=_earlier(state.ended, clock.latest),
        notified_at=_earlier(state.notified_at, clock.now),
        quiet_until=_earlier(state.quiet_until, clock.now + clock.cooldown),
        last=last,
    )
    if not begins_in_future or state.status == "resolved":
        return state
    return replace(state, status="resolved", run=0, ended=clock.latest, lapsed=True)


def _earlier(time: datetime | None, latest: datetime) -> datetime | None:
    return None if time is None else min(time, latest)
