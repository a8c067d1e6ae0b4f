"""The monitor: looks at the store every so often, and tells who is to know."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic

import polars as pl
import structlog
from msgspec.structs import replace

from advertisex.logs.contract import EventLog
from advertisex.monitoring.anomalies import EVALUATED, evaluate
from advertisex.monitoring.channels import Channel, channels_of
from advertisex.monitoring.grid import grids
from advertisex.monitoring.memory import evaluate_until, evaluated_until, remember, remembered
from advertisex.monitoring.messages import notice
from advertisex.monitoring.rules import Evaluation, Key, evaluations, of_lag, rules_of
from advertisex.monitoring.series import History, begin_of
from advertisex.monitoring.states import Due, State, cleared, delivered, due, failed, incidents, step
from advertisex.settings import AlertSettings
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)

#: What was appended so shortly before may not be seen in the log yet.
_SETTLING = timedelta(seconds=30)


class Monitor:
    """Judges what came in, bucket by bucket, and has alerts sent.

    It belongs to one thread. One monitor looks at a store; a second one would tell everything again.

    Args:
        store: what is looked at; the states of alerts are kept there.
        settings: rules and channels.

    Raises:
        ConfigurationError: a rule or a channel is wrong.
    """

    def __init__(self, store: EventStore, settings: AlertSettings) -> None:
        self._store, self._settings = store, settings
        self._rules = rules_of(settings)
        self._channels: Sequence[Channel[list[Due]]] = channels_of(settings.channels)
        self._history = History(settings.bucket, settings.history)
        self._states: dict[Key, State] | None = None
        self._noted: dict[
            Key, State
        ] = {}  # what was written last; it lacks what was reported since where writing failed
        self._evaluated: datetime | None = None

    def look(self, now: datetime, reached: datetime) -> dict[Key, State]:
        """Judge the buckets that are over and not judged yet, and have sent what is to be told.

        Sending is left to threads; what became of it is seen by a later look.

        Args:
            now: UTC without a zone.
            reached: what was ingested before then is processed; see `reached`. No bucket beyond it is judged.

        Returns:
            How alerts stand.

        Raises:
            StoreError: the store cannot be read or written; the next look makes up for it.
        """
        before = self._known()
        after = self._states = self._reported(before, now, monotonic())
        until = begin_of(min(now - _SETTLING, reached), self._settings.bucket)
        evaluated = self._evaluated_from(until)
        found = self._evaluations(evaluated, until) if evaluated < until else []
        found += of_lag(self._rules, begin_of(now, self._settings.bucket), (now - reached).total_seconds())
        severities = {rule.name: rule.severity for rule in self._rules}
        after = step(after, found, severities, self._settings.pending, self._settings.cooldown)
        after = cleared(after, [rule.name for rule in self._rules], max(evaluated, until))
        metrics = {rule.name: rule.metric for rule in self._rules}
        after = {key: replace(state, metric=metrics.get(key.rule, state.metric)) for key, state in after.items()}
        self._remember(after)
        self._say_changes(before, after)
        if evaluated < until:
            evaluate_until(self._store, until)
            self._evaluated = until
        self._send(now)
        return dict(after)

    def close(self, now: datetime, wait: float = 5.0) -> None:
        """End: wait so many seconds at most, for all channels together, for what is being sent, and remember what was.

        Raises:
            StoreError: the store cannot be written; then what was sent last may be sent again.
        """
        try:
            self._states = self._reported(self._known(), now, monotonic() + wait)
            self._remember(self._states)
        finally:
            for channel in self._channels:
                channel.close()

    def _known(self) -> dict[Key, State]:
        if self._states is None:
            self._states = self._noted = remembered(self._store)
        return self._states

    def _remember(self, states: dict[Key, State]) -> None:
        remember(self._store, self._noted, states)
        self._states = self._noted = states

    def _reported(self, states: dict[Key, State], now: datetime, deadline: float) -> dict[Key, State]:
        """The states after what the channels report, all of them up to one moment of the monotonic clock."""
        for channel in self._channels:
            for report in channel.reports(max(0.0, deadline - monotonic())):
                if report.failure:
                    states = failed(states, channel.name, report.about, report.failure)
                else:
                    states = delivered(states, channel.name, report.about, now)
        return states

    def _evaluated_from(self, until: datetime) -> datetime:
        """The first look ever judges just so many buckets that what is wrong now is told at once."""
        if self._evaluated is None:
            self._evaluated = evaluated_until(self._store) or until - self._settings.pending * self._settings.bucket
        return max(self._evaluated, until - self._settings.history)

    def _evaluations(self, since: datetime, until: datetime) -> list[Evaluation]:
        self._history.extend(self._store, until)
        return evaluations(self._rules, evaluated_buckets(self._history.tallies, since, until, self._settings))

    def _say_changes(self, before: dict[Key, State], after: dict[Key, State]) -> None:
        for key, state in after.items():
            known = {(old.status, old.since) for old in incidents(before.get(key))}
            if state.status != "pending" and (state.status, state.since) not in known:
                say = _LOG.warning if state.status == "firing" else _LOG.info
                say(
                    f"alert {state.status}",
                    rule=key.rule,
                    feed=key.feed,
                    campaign=key.campaign,
                    value=state.value,
                    expected=state.expected,
                    since=state.since.isoformat(),
                )

    def _send(self, now: datetime) -> None:
        states = self._known()
        metrics = {rule.name: rule.metric for rule in self._rules}
        metrics |= {key.rule: state.metric for key, state in states.items() if state.metric}  # of rules that are gone
        for channel in self._channels:
            notified = (
                [] if channel.busy else [one for one in due(states, channel.name, now) if one.key.rule in metrics]
            )
            if notified:
                meant = {one.key: _incident(states[one.key], one) for one in notified}
                channel.send(notice(meant, notified, metrics, self._settings.bucket), notified)


def _incident(state: State, one: Due) -> State:
    return next(found for found in incidents(state) if found.since == one.since)


def evaluated_buckets(tallies: pl.DataFrame, since: datetime, until: datetime, settings: AlertSettings) -> pl.DataFrame:
    """Every metric of the buckets from since to until, judged by what was before: `anomalies.JUDGED`."""
    found = [evaluate(grid, since, until, settings.history) for grid in grids(tallies, until, settings.bucket)]
    return pl.concat(found) if found else pl.DataFrame(schema=EVALUATED)


def reached(log: EventLog, store: EventStore, topics: Sequence[str], now: datetime) -> datetime:
    """Up to when everything that was ingested is processed: now, unless messages wait.

    Args:
        log: where messages wait.
        store: its ledger says up to where they were processed.
        topics: those of the feeds.
        now: before this is called, UTC without a zone.

    Raises:
        LogError: the log cannot be asked.
        StoreError: nor the store.
    """
    ends, done = log.end_offsets(), store.positions()
    oldest = now
    for partition, end in ends.items():
        if partition.topic in topics and done.get(partition, 0) < end:
            waiting = log.read(*partition, done.get(partition, 0), 1)
            for micros in waiting.ingested_at:
                oldest = min(oldest, datetime(1970, 1, 1) + timedelta(microseconds=micros))  # noqa: DTZ001 - as `now`
    return oldest
