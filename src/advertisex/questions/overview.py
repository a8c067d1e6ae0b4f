"""The question that comes first: it also looks at the log, the ledger and the alerts."""

from dataclasses import replace

import polars as pl

from advertisex.analysis.answer import Answer
from advertisex.analysis.overview.report import overview
from advertisex.analysis.scope import Scope
from advertisex.logs.contract import EventLog
from advertisex.monitoring.notices import format_expected, format_value, hint_of
from advertisex.monitoring.rules import rules_of
from advertisex.monitoring.state_store import load_states
from advertisex.monitoring.states import State
from advertisex.processing.lag import lags
from advertisex.questions.asking import Question
from advertisex.settings.alerts import AlertSettings
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore

SUMMARY = "Whether the numbers can be trusted, what is at risk, and today beside a week before."

#: Columns of the alerts that are firing.
ALERTS: dict[str, pl.DataType] = {
    "severity": pl.String(),
    "rule": pl.String(),
    "feed": pl.String(),
    "campaign": pl.String(),
    "value": pl.String(),
    "expected": pl.String(),
    "since": pl.Datetime("us"),
    "hint": pl.String(),
}


_WITHOUT_LOG = (
    "The event log is missing, so what is not processed yet is unknown, and messages cannot be shown; "
    "`advertisex doctor` says what to do."
)


def overview_of(settings: Settings, log: EventLog | None) -> Question:
    """Bind the question to the settings and the log.

    Args:
        settings: the settings.
        log: where the lag is measured; without it, the lag is unknown.
    """
    topics = [feed.topic for feed in configured_feeds(settings).values()]

    def question(store: EventStore, scope: Scope) -> Answer:
        answer = overview(
            store,
            scope,
            alerts=firing(store, settings.alerts),
            lag=None if log is None else sum(lags(log, store, topics).values()),
            balanced=all(row.counts.balanced for row in store.ledger()),
        )
        return replace(answer, notes=[_WITHOUT_LOG, *answer.notes]) if log is None else answer

    return question


def firing(store: EventStore, settings: AlertSettings) -> pl.DataFrame:
    """The alerts that are firing, critical ones first: a frame with the columns of `ALERTS`."""
    metrics = {rule.name: rule.metric for rule in rules_of(settings)}
    states = [state for state in load_states(store).values() if state.status == "firing" and state.key.rule in metrics]

    def row(state: State) -> tuple[object, ...]:
        metric, key = metrics[state.key.rule], state.key
        expected = format_expected(state, metric, settings.bucket)
        hint = hint_of(metric, key.feed)
        value = format_value(metric, state.value)
        return state.severity, key.rule, key.feed, key.campaign, value, expected, state.since, hint

    ordered = sorted(states, key=lambda s: (s.severity != "critical", s.since, s.key.rule, s.key.campaign or ""))
    return pl.DataFrame([row(state) for state in ordered], schema=ALERTS, orient="row")
