"""Text of notices: what happened, where, the value, the expected value, since when, and what to do."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from advertisex.limits import Limit
from advertisex.monitoring.grid import Metric
from advertisex.monitoring.notifications import Due
from advertisex.monitoring.rules import ALL_FEEDS
from advertisex.monitoring.states import State, States

MAX_ALERTS = Limit(10, "alerts", of="a notice", beyond="counted")
_MAX_NAME = 80

_WHAT: dict[Metric, str] = {
    "volume": "event volume of {where}",
    "silence": "no events from {where}",
    "ctr": "click-through rate of {where}",
    "cvr": "conversion rate of {where}",
    "reject_share": "reject rate of {where}",
    "duplicate_share": "duplicate rate of {where}",
    "delay": "ingestion delay of {where}",
    "lag": "processing lags behind the log",
    "pace": "pace of {where}",
    "projected_spend": "projected spend of {where}, of its budget",
    "budget_spent": "budget spent of {where} before its end",
}
_HINTS: dict[Metric, str] = {
    "volume": "check that its sources deliver everything: `advertisex ledger`",
    "silence": "check that its source delivers and that `advertisex ingest` is running: `advertisex doctor`",
    "ctr": "find the affected campaigns: `advertisex analyze funnel`",
    "cvr": "find the affected campaigns: `advertisex analyze funnel`",
    "reject_share": "list the reasons: `advertisex rejects list --feed {feed}`",
    "duplicate_share": "check whether a source resends events: `advertisex analyze quality`",
    "delay": "check the source's clock and its latency: `advertisex analyze quality`",
    "lag": "check its progress (other rules are paused until it catches up): `advertisex ledger`",
    "pace": "see what is missing, and what it is worth: `advertisex analyze pacing --curve weekday`",
    "projected_spend": "see how it will end: `advertisex analyze pacing --curve weekday`",
    "budget_spent": "end it, or import a larger budget: `advertisex catalogue import FILE`",
}


class Notice(NamedTuple):
    """A message to a channel."""

    title: str
    body: str


def notice(states: States, due: Sequence[Due], metrics: dict[str, Metric], bucket: timedelta) -> Notice:
    """Build one notice from all notifications that are due on a channel.

    Args:
        states: the incident of each notification, by alert.
        due: the notifications; at least one.
        metrics: metric of each rule, by name.
        bucket: length of a bucket.
    """
    lines = [format_alert(states[one.key], one, metrics[one.key.rule], bucket) for one in due[:MAX_ALERTS]]
    if len(due) > MAX_ALERTS:
        lines.append(f"and {len(due) - MAX_ALERTS} more: `advertisex alerts list`")
    firing = sum(one.kind == "firing" for one in due)
    counts = [f"{count} {what}" for count, what in ((firing, "firing"), (len(due) - firing, "resolved")) if count]
    return Notice(f"AdvertiseX: {', '.join(counts)}", "\n".join(lines))


def format_alert(state: State, due: Due, metric: Metric, bucket: timedelta) -> str:
    """Format a notification as one line."""
    what = _WHAT[metric].format(where=format_scope(state))
    if state.lapsed and due.kind != "firing":
        why = "without events" if metric == "volume" and not state.value else "no longer evaluated"
        return f"closed: {what}, since {format_time(state.since)}; {why}"
    if due.kind != "firing":
        return f"{due.kind}: {what}, from {format_time(state.since)} to {format_time(state.ended or state.seen)}"
    found = "" if metric == "silence" else f": {format_value(metric, state.value)}"
    hint = hint_of(metric, state.key.feed)
    expected = format_expected(state, metric, bucket)
    return f"{state.severity}: {what}{found}, {expected}, since {format_time(state.since)}; {hint}"


def hint_of(metric: Metric, feed: str) -> str:
    """What to do about an alert on a metric, with the command for it."""
    return _HINTS[metric].format(feed=feed)


def format_scope(state: State) -> str:
    """The feed of an alert, its campaign, or both."""
    if state.key.campaign is None:
        return state.key.feed
    name = "".join(c if c.isprintable() else "?" for c in state.key.campaign)
    feed = "" if state.key.feed == ALL_FEEDS else f" ({state.key.feed})"
    return f"campaign {name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + '…'}{feed}"


def format_expected(state: State, metric: Metric, bucket: timedelta) -> str:
    """What was expected of the last bad bucket: the expected value, or else the bound."""
    per = f" in {bucket // timedelta(minutes=1)} min" if metric in {"volume", "silence"} else ""
    if state.expected is not None:
        return f"expected about {format_value(metric, state.expected)}{per}"
    if metric == "budget_spent" and state.high is not None:
        return f"expected below {format_value(metric, state.high)}"
    if state.high is not None:
        return f"expected at most {format_value(metric, state.high)}{per}"
    return f"expected at least {format_value(metric, state.low or 0.0)}{per}"


def format_value(metric: Metric, value: float) -> str:
    """Format a value of a metric with its unit."""
    if metric in {"volume", "silence"}:
        return f"{value:,.0f}"
    if metric not in {"delay", "lag"}:
        return f"{value:.2%}"
    return f"{value:,.1f} s" if abs(value) < 120 else f"{value / 60:,.1f} min"


def format_time(time: datetime) -> str:
    """Format a UTC time, to the minute."""
    return f"{time:%Y-%m-%d %H:%M} UTC"
