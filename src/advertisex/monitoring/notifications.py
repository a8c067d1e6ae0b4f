"""The notifications of alerts, as pure functions: each channel is notified once of a start and once of an end."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from advertisex.monitoring.rules import Key
from advertisex.monitoring.states import NoticeKind, State, States, incidents

#: How long after its end an incident is still reported to a channel that missed its start.
MAX_NOTICE_AGE = timedelta(days=1)


class Due(NamedTuple):
    """A notification that is due."""

    key: Key
    since: datetime
    kind: NoticeKind


def due(states: States, channel: str, now: datetime) -> list[Due]:
    """Notifications due on a channel, most severe first; the earliest if an alert has several."""
    found = []
    for state in states.values():
        pending = [(one, kind) for one in incidents(state) if (kind := _kind_due(one, channel, now))]
        found += pending[-1:]
    found.sort(key=lambda one: (one[1] != "firing", one[0].severity != "critical", one[0].key.rule, one[0].since))
    return [Due(state.key, state.since, kind) for state, kind in found]


def _kind_due(state: State, channel: str, now: datetime) -> NoticeKind | None:
    notified = state.notified.get(channel)
    if state.fired is None or (state.quiet_until and now < state.quiet_until and not state.notified):
        return None
    if state.status == "firing":
        return "firing" if notified is None else None
    if state.status != "resolved" or notified in {"resolved", "over"}:
        return None
    if notified == "firing":
        return "resolved"
    was_quiet = state.quiet_until and (state.ended or state.seen) < state.quiet_until and not state.notified
    late = now - (state.ended or state.seen) > MAX_NOTICE_AGE
    return None if was_quiet or late else "over"


def delivered(states: States, channel: str, notified: Sequence[Due], now: datetime) -> dict[Key, State]:
    """Record delivered notifications. Incidents that no longer exist are skipped.

    Returns:
        The new states.
    """
    after = dict(states)
    for one in notified:
        _change(after, one, lambda state, kind: _notified(state, channel, kind, now))
    return after


def _notified(state: State, channel: str, kind: NoticeKind, now: datetime) -> State:
    undelivered = {name: why for name, why in state.undelivered.items() if name != channel}
    notified = {**state.notified, channel: kind}
    return replace(state, notified=notified, notified_at=state.notified_at or now, undelivered=undelivered)


def failed(states: States, channel: str, meant: Sequence[Due], why: str) -> dict[Key, State]:
    """Record a delivery failure; the notifications remain due.

    Returns:
        The new states.
    """
    after = dict(states)
    for one in meant:
        _change(after, one, lambda state, _: replace(state, undelivered={**state.undelivered, channel: why}))
    return after


def _change(states: dict[Key, State], one: Due, change: Callable[[State, NoticeKind], State]) -> None:
    """Change the incident of a notification, if it still exists."""
    found = list(incidents(states.get(one.key)))
    if all(state.since != one.since for state in found):
        return
    new: State | None = None
    for state in reversed(found):
        new = replace(change(state, one.kind) if state.since == one.since else state, last=new)
    if new:
        states[one.key] = new
