"""How alerts stand, and who has yet to be told: a state machine, as pure functions.

    bad       pending ── bad, so many in a row ──▶ firing ── good, so many in a row ──▶ resolved ── bad ──▶ pending
              └─ good: forgotten, or resolved as before

A bucket that a rule cannot judge changes nothing. Each channel is told once that an alert fires and once that it is
resolved; what it was told is part of the state, so that whoever reads it back goes on where the last one was.
An incident is kept behind those that follow it until every channel that was told that it fires is told its end.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from advertisex.monitoring.grid import Metric
from advertisex.monitoring.rules import Evaluation, Key, Severity

Status = Literal["pending", "firing", "resolved"]
#: What a channel is told: it fires, it is resolved, or it fired and is over before anyone could be told.
Said = Literal["firing", "resolved", "over"]

#: An alert that nothing has been said of for so long is over; a resolved one is remembered as long again and more.
UNEVALUATED = timedelta(days=1)
REMEMBERED = timedelta(days=7)
#: A channel that could not be told while it fired is told of it afterwards, not later than this.
WORTH_NOTIFYING = timedelta(days=1)


class State(msgspec.Struct, frozen=True, rename={"notified": "told", "notified_at": "told_at"}):
    """How one alert stands. Times are UTC without a zone.

    Attributes:
        key: what it is about.
        severity: of its rule.
        status: see above.
        since: the beginning of the first bad bucket; with the key, it names this incident.
        seen: the beginning of the last bucket that was judged.
        run: buckets in a row that spoke for the next status.
        value: that of the last bad bucket, as those below.
        expected: None where a rule has bounds of its own.
        low: the value should not be below; None for no such bound.
        high: the value should not be above.
        fired: the beginning of the bucket in which it fired; None before.
        ended: the beginning of the first good bucket after the last bad one; None before it is resolved.
        notified: what each channel was told last of this incident.
        notified_at: when the first channel was told that it fires.
        quiet_until: before then nobody is told: the last incident of this alert was told not long ago.
        undelivered: why the channels that could not be told could not.
        metric: of its rule, for when that is gone from the settings; None where it was not noted.
        last: the resolved incident before: of a pending one, which may come to nothing, any; of others, one that some
            channel has yet to be told the end of.
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
    notified: Mapping[str, Said] = msgspec.field(default_factory=dict)
    notified_at: datetime | None = None
    quiet_until: datetime | None = None
    undelivered: Mapping[str, str] = msgspec.field(default_factory=dict)
    metric: Metric | None = None
    last: "State | None" = None


States = Mapping[Key, State]


class Due(NamedTuple):
    """What a channel is to be told of an incident."""

    key: Key
    since: datetime
    said: Said


def step(
    states: States,
    evaluations: Iterable[Evaluation],
    severities: Mapping[str, Severity],
    pending: int,
    cooldown: timedelta,
) -> dict[Key, State]:
    """The states after some buckets were judged.

    Args:
        states: before.
        evaluations: in the order of their buckets; those that a state has seen before are passed over.
        severities: by the name of the rule.
        pending: bad buckets in a row before it fires, and good ones before it is resolved.
        cooldown: an incident that fires within it after the last one was told is not told before it ends.
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
    return replace(state, status="firing", fired=state.seen, run=0, quiet_until=quiet or None, last=_owed(last))


def _owed(state: State | None) -> State | None:
    """The latest incident of those from this one back of which a channel knows the begin only; it is over."""
    if state is None:
        return None
    before = _owed(state.last)
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


def cleared(states: States, rules: Iterable[str], evaluated: datetime) -> dict[Key, State]:
    """Without what no rule is about any more and what is long over; what is no longer judged is resolved.

    Args:
        states: before.
        rules: the names of those that hold.
        evaluated: up to when there were buckets to judge.
    """
    names = set(rules)
    kept = {}
    for key, state in states.items():
        new = _cleared(state, evaluated) if key.rule in names else _without_rule(state, evaluated)
        if new:
            kept[key] = new
    return kept


def _cleared(state: State | None, evaluated: datetime) -> State | None:
    if state is None:
        return None
    unevaluated = evaluated - state.seen > UNEVALUATED
    if state.status == "pending" and unevaluated:
        return _cleared(state.last, evaluated)
    if state.status == "firing" and unevaluated:
        state = _ended(state)
    elif state.status == "resolved" and evaluated - (state.ended or state.seen) > REMEMBERED:
        return None  # those before it ended earlier still
    last = _cleared(state.last, evaluated)
    return state if last == state.last else replace(state, last=last)


def _without_rule(state: State, evaluated: datetime) -> State | None:
    """Nothing, once every channel that was told that it fires is told that it is over."""
    over = state.last if state.status == "pending" else _ended(state)
    return _cleared(_owed(over), evaluated)


def _ended(state: State) -> State:
    return replace(state, status="resolved", run=0, ended=state.ended or state.seen)


def due(states: States, channel: str, now: datetime) -> list[Due]:
    """What a channel has yet to be told, the gravest first; of several incidents of one alert, the earliest."""
    found = []
    for state in states.values():
        said = [(one, said) for one in incidents(state) if (said := _said(one, channel, now))]
        found += said[-1:]
    found.sort(key=lambda one: (one[1] != "firing", one[0].severity != "critical", one[0].key.rule, one[0].since))
    return [Due(state.key, state.since, said) for state, said in found]


def incidents(state: State | None) -> Iterator[State]:
    """An incident and those kept behind it, the latest first."""
    while state is not None:
        yield state
        state = state.last


def _said(state: State, channel: str, now: datetime) -> Said | None:
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
    late = now - (state.ended or state.seen) > WORTH_NOTIFYING
    return None if was_quiet or late else "over"


def delivered(states: States, channel: str, notified: Sequence[Due], now: datetime) -> dict[Key, State]:
    """The states after a channel was told; an incident that is no longer there is passed over."""
    after = dict(states)
    for one in notified:
        _change(after, one, lambda state, said: _notified(state, channel, said, now))
    return after


def _notified(state: State, channel: str, said: Said, now: datetime) -> State:
    undelivered = {name: why for name, why in state.undelivered.items() if name != channel}
    notified = {**state.notified, channel: said}
    return replace(state, notified=notified, notified_at=state.notified_at or now, undelivered=undelivered)


def failed(states: States, channel: str, meant: Sequence[Due], why: str) -> dict[Key, State]:
    """The states after a channel could not be told; it remains due."""
    after = dict(states)
    for one in meant:
        _change(after, one, lambda state, _: replace(state, undelivered={**state.undelivered, channel: why}))
    return after


def _change(states: dict[Key, State], one: Due, change: Callable[[State, Said], State]) -> None:
    """Change the incident that is meant, if it is still there."""
    found = list(incidents(states.get(one.key)))
    if all(state.since != one.since for state in found):
        return
    new: State | None = None
    for state in reversed(found):
        new = replace(change(state, one.said) if state.since == one.since else state, last=new)
    if new:
        states[one.key] = new
