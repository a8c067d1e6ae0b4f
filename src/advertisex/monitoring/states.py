"""State machine of alerts (pending, firing, resolved) and of their notifications, as pure functions.

    bad       pending ── n consecutive bad ──▶ firing ── n consecutive good ──▶ resolved ── bad ──▶ pending
              └─ good: dropped, or back to the previous resolved incident

Buckets without a result change nothing. Each channel is notified once when an alert fires and once when it is resolved.
The delivered notifications are part of the state, so a restarted process continues where the last one stopped.
A resolved incident is kept behind its successors until every channel that was notified of its start has been notified
of its end.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from advertisex.monitoring.grid import Metric
from advertisex.monitoring.rules import Evaluation, Key, Severity

Status = Literal["pending", "firing", "resolved"]
#: Kind of a notification; "over" reports an incident that ended before the channel was notified of its start.
NoticeKind = Literal["firing", "resolved", "over"]

#: A firing alert without results for this long is resolved, a pending one is dropped.
STALE_AFTER = timedelta(days=1)
#: How long resolved incidents are kept.
RETENTION = timedelta(days=7)
#: How long after its end an incident is still reported to a channel that missed its start.
MAX_NOTICE_AGE = timedelta(days=1)


class State(msgspec.Struct, frozen=True):
    """State of one alert and its latest incident. Times are naive UTC; buckets are identified by their start.

    Attributes:
        key: identifies the alert; together with `since`, the incident.
        severity: severity of the rule.
        status: current status.
        since: first bad bucket.
        seen: last evaluated bucket.
        run: consecutive buckets that count towards the next status.
        value: value of the last bad bucket.
        expected: expected value of that bucket; None for rules with fixed bounds.
        low: lower bound of that bucket; None if unbounded.
        high: upper bound of that bucket; None if unbounded.
        fired: bucket in which the alert fired; None while pending.
        ended: first good bucket after the last bad one; None if there is none.
        notified: last notification delivered to each channel for this incident.
        notified_at: when the first notification was delivered.
        quiet_until: end of the cooldown that follows the previous incident's notification; None if there is none.
        undelivered: delivery failure per channel.
        metric: metric of the rule, kept in case the rule is removed from the settings; None if unknown.
        last: a previous, resolved incident. A pending incident keeps any, since it may be dropped again; others only
            keep one whose end is still to be reported to some channel.
    """

    key: Key
    severity: Severity
    status: Status
    since: datetime
    seen: datetime
    run: int
    value: float
    expected: float | None
    low: float | None
    high: float | None
    fired: datetime | None = None
    ended: datetime | None = None
    notified: Mapping[str, NoticeKind] = msgspec.field(default_factory=dict)
    notified_at: datetime | None = None
    quiet_until: datetime | None = None
    undelivered: Mapping[str, str] = msgspec.field(default_factory=dict)
    metric: Metric | None = None
    last: "State | None" = None


States = Mapping[Key, State]


class Due(NamedTuple):
    """A notification that is due."""

    key: Key
    since: datetime
    kind: NoticeKind


def step(
    states: States,
    evaluations: Iterable[Evaluation],
    severities: Mapping[str, Severity],
    pending: int,
    cooldown: timedelta,
) -> dict[Key, State]:
    """Apply evaluations.

    Args:
        states: the current states.
        evaluations: ordered by bucket; buckets that were already applied are skipped.
        severities: severity of each rule, by name.
        pending: consecutive bad buckets before an alert fires, and good ones before it is resolved.
        cooldown: minimum time between the notifications of two incidents of an alert.

    Returns:
        The new states.
    """
    after = dict(states)
    for evaluation in evaluations:
        state = after.get(evaluation.key)
        if state and evaluation.bucket <= state.seen:
            continue
        new = (
            _bad(state, evaluation, severities[evaluation.key.rule], pending, cooldown)
            if evaluation.bad
            else _good(state, evaluation, pending)
        )
        if new:
            after[evaluation.key] = new
        else:
            after.pop(evaluation.key, None)
    return after


def _bad(state: State | None, evaluation: Evaluation, severity: Severity, pending: int, cooldown: timedelta) -> State:
    bucket = evaluation.bucket
    if state is None or state.status == "resolved":
        state = State(
            evaluation.key,
            severity,
            "pending",
            bucket,
            bucket,
            0,
            evaluation.value,
            None,
            None,
            None,
            last=state,
        )
    bad = replace(
        state,
        seen=bucket,
        value=evaluation.value,
        expected=evaluation.expected,
        low=evaluation.low,
        high=evaluation.high,
        ended=None,
        run=0 if state.status == "firing" else state.run + 1,
    )
    return _fired(bad, cooldown) if bad.run >= pending else bad


def _fired(state: State, cooldown: timedelta) -> State:
    last = state.last
    quiet = last and (last.notified_at + cooldown if last.notified_at else last.quiet_until)
    return replace(state, status="firing", fired=state.seen, run=0, quiet_until=quiet or None, last=_awaiting_end(last))


def _awaiting_end(state: State | None) -> State | None:
    """This incident or the latest before it whose end is still to be reported to some channel."""
    if state is None:
        return None
    before = _awaiting_end(state.last)
    return replace(state, last=before) if "firing" in state.notified.values() else before


def _good(state: State | None, evaluation: Evaluation, pending: int) -> State | None:
    if state is not None and state.status == "pending":
        state = state.last
    if state is None:
        return None
    if state.status == "resolved":
        return replace(state, seen=evaluation.bucket)
    last = replace(state, seen=evaluation.bucket, run=state.run + 1, ended=state.ended or evaluation.bucket)
    return replace(last, status="resolved", run=0) if last.run >= pending else last


def expire(states: States, rules: Iterable[str], evaluated: datetime) -> dict[Key, State]:
    """Resolve alerts without recent results, and drop old incidents and those of removed rules.

    Args:
        states: the current states.
        rules: names of the active rules.
        evaluated: end of the last evaluated bucket.

    Returns:
        The new states.
    """
    names = set(rules)
    kept = {}
    for key, state in states.items():
        new = _expire(state, evaluated) if key.rule in names else _expire_without_rule(state, evaluated)
        if new:
            kept[key] = new
    return kept


def _expire(state: State | None, evaluated: datetime) -> State | None:
    if state is None:
        return None
    is_stale = evaluated - state.seen > STALE_AFTER
    if state.status == "pending" and is_stale:
        return _expire(state.last, evaluated)
    if state.status == "firing" and is_stale:
        state = _ended(state)
    elif state.status == "resolved" and evaluated - (state.ended or state.seen) > RETENTION:
        return None  # earlier incidents ended even earlier
    last = _expire(state.last, evaluated)
    return state if last == state.last else replace(state, last=last)


def _expire_without_rule(state: State, evaluated: datetime) -> State | None:
    """Keep the alert of a removed rule until its end has been reported to every notified channel."""
    over = state.last if state.status == "pending" else _ended(state)
    return _expire(_awaiting_end(over), evaluated)


def _ended(state: State) -> State:
    return replace(state, status="resolved", run=0, ended=state.ended or state.seen)


def due(states: States, channel: str, now: datetime) -> list[Due]:
    """Notifications due on a channel, most severe first; the earliest if an alert has several."""
    found = []
    for state in states.values():
        pending = [(one, kind) for one in incidents(state) if (kind := _kind_due(one, channel, now))]
        found += pending[-1:]
    found.sort(key=lambda one: (one[1] != "firing", one[0].severity != "critical", one[0].key.rule, one[0].since))
    return [Due(state.key, state.since, kind) for state, kind in found]


def incidents(state: State | None) -> Iterator[State]:
    """The incidents of an alert, latest first."""
    while state is not None:
        yield state
        state = state.last


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
