"""State machine of alerts (pending, firing, resolved), as pure functions.

    bad       pending ── n consecutive bad ──▶ firing ── n consecutive good ──▶ resolved ── bad ──▶ pending
              └─ good: dropped, or back to the previous resolved incident

Buckets without a result change nothing. The delivered notifications (`notifications`) are part of the state, so a
restarted process continues where the last one stopped. A resolved incident is kept behind its successors until every
channel that was notified of its start has been notified of its end.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal

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
        lapsed: whether it was closed for lack of results, and not because of good ones.
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
    lapsed: bool = False
    metric: Metric | None = None
    last: "State | None" = None


States = Mapping[Key, State]


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
            if evaluation.bad or (state and state.status == "firing" and not evaluation.recovered)
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
        state = replace(_ended(state), lapsed=True)
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


def incidents(state: State | None) -> Iterator[State]:
    """The incidents of an alert, latest first."""
    while state is not None:
        yield state
        state = state.last
