"""The monitor: evaluates new buckets periodically, updates the alerts and sends notices."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic

import polars as pl
import structlog
from msgspec.structs import replace

from advertisex.logs.contract import EventLog
from advertisex.monitoring.anomalies import EVALUATED, evaluate
from advertisex.monitoring.channels import Channel, channels_of
from advertisex.monitoring.clock import Clock, is_in_future, without_future
from advertisex.monitoring.flights import FlightWatch
from advertisex.monitoring.grid import grids
from advertisex.monitoring.notices import notice
from advertisex.monitoring.notifications import Due, delivered, due, failed
from advertisex.monitoring.rules import Evaluation, Key, evaluate_lag, evaluations, rules_of
from advertisex.monitoring.series import History, bucket_start
from advertisex.monitoring.state_store import Evaluated, load_evaluated, load_states, save_evaluated, save_states
from advertisex.monitoring.states import State, expire, incidents, step
from advertisex.settings.alerts import AlertSettings
from advertisex.stores.contract import EventStore
from advertisex.times import time_of

_LOG = structlog.get_logger(__name__)

#: Messages appended within this time may not be visible in the log yet.
_SETTLING = timedelta(seconds=30)


class Monitor:
    """Evaluates the alert rules and sends notices.

    Not thread-safe. Run only one monitor per store; a second one would send every notice twice.

    Args:
        store: the store to monitor; it also keeps the alert states.
        settings: rules and channels.
        channels: where the notices go; default: the channels of the settings.
        zone: time zone of the days off, and of the days and weeks of flights.

    Raises:
        ConfigurationError: a rule or a channel is invalid.
    """

    def __init__(
        self,
        store: EventStore,
        settings: AlertSettings,
        channels: Sequence[Channel[list[Due]]] | None = None,
        *,
        zone: str = "UTC",
    ) -> None:
        self._store, self._settings, self._zone = store, settings, zone
        self._rules = rules_of(settings)
        self._flights = FlightWatch(store, self._rules, zone)
        self._channels = channels_of(settings.channels) if channels is None else channels
        self._history = History(settings.bucket, settings.history)
        self._states: dict[Key, State] | None = None
        self._saved: dict[Key, State] = {}  # differs from `_states` after a failed write
        self._evaluated: datetime | None = None

    def check(self, now: datetime, reached: datetime) -> dict[Key, State]:
        """Evaluate the buckets that have ended since the last call, and send the notices that are due.

        Notices are sent in the background; a later call records the results.

        Args:
            now: current time, naive UTC.
            reached: ingestion time up to which everything is processed; see `reached`. Later buckets are not
                evaluated.

        Returns:
            The state of each alert.

        Raises:
            StoreError: the store cannot be read or written. The next call catches up.
        """
        until = bucket_start(min(now - _SETTLING, reached), self._settings.bucket)
        before = self._believed(now, until)
        after = self._states = self._apply_reports(before, now, monotonic())
        evaluated = self._evaluated_from(until)
        found = []
        if evaluated < until:
            found += self._evaluations(evaluated, until, now)
            found += self._flights.evaluations(until, self._settings.bucket, now)
        found += evaluate_lag(self._rules, bucket_start(now, self._settings.bucket), (now - reached).total_seconds())
        severities = {rule.name: rule.severity for rule in self._rules}
        after = step(after, found, severities, self._settings.pending, self._settings.cooldown)
        after = expire(after, [rule.name for rule in self._rules], max(evaluated, until))
        metrics = {rule.name: rule.metric for rule in self._rules}
        after = {key: replace(state, metric=metrics.get(key.rule, state.metric)) for key, state in after.items()}
        self._save(after)
        self._log_changes(before, after)
        if evaluated < until:
            save_evaluated(self._store, Evaluated(until, self._history.counted))
            self._evaluated = until
        self._send(now)
        return dict(after)

    def close(self, now: datetime, wait: float = 5.0) -> None:
        """Wait for notices in flight, save the states and close the channels.

        Args:
            now: current time, naive UTC.
            wait: maximum time to wait for all channels together, in seconds.

        Raises:
            StoreError: the store cannot be written. The last notices may be sent again.
        """
        try:
            self._states = self._apply_reports(self._current(), now, monotonic() + wait)
            self._save(self._states)
        finally:
            for channel in self._channels:
                channel.close()

    def _current(self) -> dict[Key, State]:
        if self._states is None:
            self._states = self._saved = load_states(self._store)
        return self._states

    def _believed(self, now: datetime, until: datetime) -> dict[Key, State]:
        """Return the current states, without times that lie in the future; see `clock`."""
        states, bucket, pending = self._current(), self._settings.bucket, self._settings.pending
        if self._evaluated is None and (found := load_evaluated(self._store)):
            self._evaluated, self._history.counted = found
        clock = Clock(now, now + bucket, until - (pending + 1) * bucket, self._settings.cooldown)
        is_ahead = self._evaluated is not None and self._evaluated > clock.limit
        if not is_ahead and not any(is_in_future(state, clock.limit) for state in states.values()):
            return states
        _LOG.warning(
            "the clock was fast, or is slow now: alerts have times in the future; monitoring continues from now",
            now=now.isoformat(),
            evaluated_until=None if self._evaluated is None else self._evaluated.isoformat(),
            hint="check the clock",
        )
        if is_ahead:
            self._evaluated = until - pending * bucket
        return without_future(states, clock)

    def _save(self, states: dict[Key, State]) -> None:
        save_states(self._store, self._saved, states)
        self._states = self._saved = states

    def _apply_reports(self, states: dict[Key, State], now: datetime, deadline: float) -> dict[Key, State]:
        """Apply the channels' reports, waiting for them until the deadline (monotonic clock)."""
        for channel in self._channels:
            for report in channel.reports(max(0.0, deadline - monotonic())):
                if report.failure:
                    states = failed(states, channel.name, report.about, report.failure)
                else:
                    states = delivered(states, channel.name, report.about, now)
        return states

    def _evaluated_from(self, until: datetime) -> datetime:
        """Start of the next evaluation. The first one covers just enough buckets for an alert to fire immediately."""
        if self._evaluated is None:
            self._evaluated = until - self._settings.pending * self._settings.bucket
        return max(self._evaluated, until - self._settings.history)

    def _evaluations(self, since: datetime, until: datetime, now: datetime) -> list[Evaluation]:
        self._history.extend(self._store, until, now)
        return evaluations(
            self._rules, evaluated_buckets(self._history.tallies, since, until, self._settings, self._zone)
        )

    def _log_changes(self, before: dict[Key, State], after: dict[Key, State]) -> None:
        for key, state in after.items():
            known = {(old.status, old.since) for old in incidents(before.get(key))}
            if state.status != "pending" and (state.status, state.since) not in known:
                log = _LOG.warning if state.status == "firing" else _LOG.info
                log(
                    f"alert {state.status}",
                    rule=key.rule,
                    feed=key.feed,
                    campaign=key.campaign,
                    value=state.value,
                    expected=state.expected,
                    since=state.since.isoformat(),
                )

    def _send(self, now: datetime) -> None:
        states = self._current()
        metrics = {rule.name: rule.metric for rule in self._rules}
        metrics |= {key.rule: state.metric for key, state in states.items() if state.metric}  # including removed rules
        for channel in self._channels:
            notified = (
                [] if channel.busy else [one for one in due(states, channel.name, now) if one.key.rule in metrics]
            )
            if notified:
                incident_of = {one.key: _incident(states[one.key], one) for one in notified}
                channel.send(notice(incident_of, notified, metrics, self._settings.bucket), notified)


def _incident(state: State, one: Due) -> State:
    return next(found for found in incidents(state) if found.since == one.since)


def evaluated_buckets(
    tallies: pl.DataFrame, since: datetime, until: datetime, settings: AlertSettings, zone: str = "UTC"
) -> pl.DataFrame:
    """Evaluate every metric of the buckets between two times.

    Args:
        tallies: a frame with the schema `series.TALLY`, including the history.
        since: start of the first bucket.
        until: end of the last bucket.
        settings: length of a bucket and of the history, and the days off.
        zone: time zone of the days off.

    Returns:
        A frame with the schema `anomalies.EVALUATED`.
    """
    found = [evaluate(grid, since, until, settings.history) for grid in grids(tallies, until, settings, zone)]
    return pl.concat(found) if found else pl.DataFrame(schema=EVALUATED)


def reached(log: EventLog, store: EventStore, topics: Sequence[str], now: datetime) -> datetime:
    """The ingestion time up to which all messages are processed.

    Args:
        log: the event log.
        store: the store, whose ledger has the processed offsets.
        topics: topics of the feeds.
        now: current time, naive UTC, taken before this call.

    Returns:
        The ingestion time of the oldest unprocessed message, or `now` if there is none. A message that an open
        transaction holds back is unprocessed, too.

    Raises:
        LogError: the log cannot be read.
        StoreError: the store cannot be read.
    """
    ends, done = log.end_offsets(topics), store.positions()
    waiting = [held.since for held in log.held_back(topics).values() if held.since is not None]
    for partition, end in ends.items():
        if done.get(partition, 0) < end:
            waiting += log.read(*partition, done.get(partition, 0), 1).ingested_at
    return min(now, time_of(min(waiting)).replace(tzinfo=None)) if waiting else now
