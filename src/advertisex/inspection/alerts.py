"""Alerts: those that are firing or pending, and those that are resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading, utc
from advertisex.monitoring.channels import channels_of
from advertisex.monitoring.grid import Metric
from advertisex.monitoring.notices import format_expected, format_scope, format_value, hint_of
from advertisex.monitoring.rules import rules_of
from advertisex.monitoring.state_store import load_evaluated, load_states
from advertisex.monitoring.states import State
from advertisex.questions.option import Option

_ORDER = ("firing", "pending", "resolved")
_COLUMNS: dict[str, Any] = {
    "status": pl.String, "severity": pl.String, "rule": pl.String, "where": pl.String, "value": pl.String,
    "expected": pl.String, "since": pl.Datetime("us"), "ended": pl.Datetime("us"), "notified": pl.String,
    "hint": pl.String,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alerts(Reading):
    """Alerts, the most urgent first.

    Attributes:
        listed: their states.
        metrics: the metric of each rule.
        evaluated: the time up to which alerts are evaluated; None before the first evaluation.
        channels: names of the channels.
        bucket: length of a bucket.
    """

    listed: Sequence[State]
    metrics: Mapping[str, Metric]
    evaluated: datetime | None
    channels: Sequence[str]
    bucket: timedelta

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        documents = [self._document(state) for state in self.listed]
        return {"alerts": documents, "evaluated_until": utc(self.evaluated), "channels": list(self.channels)}

    def tables(self) -> list[Table]:
        """One row for each alert."""
        rows = [
            (
                state.status,
                state.severity,
                state.key.rule,
                *self.texts(state),
                state.since,
                state.ended if state.status == "resolved" else None,
                notified_text(state),
                hint_of(self.metrics[state.key.rule], state.key.feed),
            )
            for state in self.listed
        ]
        return [Table("alerts", "Alerts", pl.DataFrame(rows, schema=_COLUMNS, orient="row"), prose=("hint",))]

    def notes(self) -> list[str]:
        """How far they are evaluated, and who is notified."""
        if self.evaluated is None:
            return ["Not evaluated yet: `advertisex run` evaluates alerts."]
        channels = ", ".join(self.channels) or "none; add some to alerts.channels in the settings"
        return [
            f"Evaluated up to {self.evaluated:%Y-%m-%d %H:%M} UTC.",
            *([] if self.listed else ["No alert is firing or pending, and none was resolved in the last week."]),
            f"Channels: {channels}.",
        ]

    def texts(self, state: State) -> tuple[str, str, str]:
        """Where an alert is, its value, and the expected one."""
        metric = self.metrics[state.key.rule]
        return format_scope(state), format_value(metric, state.value), format_expected(state, metric, self.bucket)

    def _document(self, state: State) -> dict[str, Any]:
        return {
            "rule": state.key.rule,
            "metric": self.metrics[state.key.rule],
            "feed": state.key.feed,
            "campaign": state.key.campaign,
            "severity": state.severity,
            "status": state.status,
            "since": utc(state.since),
            "ended": utc(state.ended) if state.status == "resolved" else None,
            "value": state.value,
            "expected": state.expected,
            "low": state.low,
            "high": state.high,
            "notified": [{"channel": name, "of": status} for name, status in state.notified.items()],
            "undelivered": [{"channel": name, "failure": why} for name, why in state.undelivered.items()],
        }


def alerts(
    place: Place,
    with_resolved: Annotated[bool, Option(name="all", help="Include alerts resolved in the last week.")] = False,
) -> Alerts:
    """List firing and pending alerts, with the expected values and the channels notified."""
    settings = place.settings.alerts
    metrics = {rule.name: rule.metric for rule in rules_of(settings)}
    with place.store() as store:
        states = load_states(store).values()
        found = load_evaluated(store)
    listed = sorted(
        (one for one in states if one.key.rule in metrics and (with_resolved or one.status != "resolved")),
        key=lambda one: (_ORDER.index(one.status), one.severity != "critical", one.since, one.key.rule),
    )
    channels = [channel.name for channel in channels_of(settings.channels)]
    return Alerts(listed, metrics, None if found is None else found.until, channels, settings.bucket)


def notified_text(state: State) -> str:
    """Who was notified of an alert, and who could not be."""
    failed = "".join(f"; {name} failed: {why}" for name, why in state.undelivered.items())
    return (", ".join(state.notified) or "nobody") + failed
