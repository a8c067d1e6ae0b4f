"""What a notice says: what, where, how much, what was expected, since when, and what to do."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from advertisex.monitoring.grid import Metric
from advertisex.monitoring.states import Due, State, States

#: A notice names at most so many alerts.
MOST = 10
_LONGEST = 80

_WHAT: dict[Metric, str] = {
    "volume": "events of {where}",
    "silence": "no events of {where}",
    "ctr": "click-through rate of {where}",
    "cvr": "conversion rate of {where}",
    "reject_share": "share of rejected messages of {where}",
    "duplicate_share": "share of duplicates of {where}",
    "delay": "delay from event to log of {where}",
    "lag": "processing is behind the log",
}
_HINTS: dict[Metric, str] = {
    "volume": "see whether its sources deliver all of it: `advertisex ledger`",
    "silence": "see whether its source delivers and `advertisex ingest` runs: `advertisex doctor`",
    "ctr": "see which campaigns it comes from: `advertisex analyze funnel`",
    "cvr": "see which campaigns it comes from: `advertisex analyze funnel`",
    "reject_share": "see the reasons: `advertisex rejects list --feed {feed}`",
    "duplicate_share": "see whether a source sends again what it has sent: `advertisex analyze quality`",
    "delay": "see whether the source's clock is right, and what holds it up: `advertisex analyze quality`",
    "lag": "see whether it gets on, and nothing else is judged meanwhile: `advertisex ledger`",
}


class Notice(NamedTuple):
    """What a channel gets."""

    title: str
    body: str


def notice(states: States, notified: Sequence[Due], metrics: dict[str, Metric], bucket: timedelta) -> Notice:
    """One notice of all that a channel is to be told.

    Args:
        states: of all alerts.
        notified: at least one.
        metrics: by the name of the rule.
        bucket: its length.
    """
    lines = [line(states[one.key], one, metrics[one.key.rule], bucket) for one in notified[:MOST]]
    if len(notified) > MOST:
        lines.append(f"and {len(notified) - MOST} more: `advertisex alerts list`")
    firing = sum(one.said == "firing" for one in notified)
    counts = [f"{count} {what}" for count, what in ((firing, "firing"), (len(notified) - firing, "resolved")) if count]
    return Notice(f"AdvertiseX: {', '.join(counts)}", "\n".join(lines))


def line(state: State, notified: Due, metric: Metric, bucket: timedelta) -> str:
    """One alert, on one line."""
    what = _WHAT[metric].format(where=where(state))
    if notified.said != "firing":
        return f"{notified.said}: {what}, from {clock(state.since)} to {clock(state.ended or state.seen)}"
    found = "" if metric == "silence" else f": {shown(metric, state.value)}"
    hint = _HINTS[metric].format(feed=state.key.feed)
    return f"{state.severity}: {what}{found}, {wanted(state, metric, bucket)}, since {clock(state.since)}; {hint}"


def where(state: State) -> str:
    """The feed, and the campaign where it is one's."""
    if state.key.campaign is None:
        return state.key.feed
    name = "".join(c if c.isprintable() else "?" for c in state.key.campaign)
    return f"campaign {name if len(name) <= _LONGEST else name[: _LONGEST - 1] + '…'} ({state.key.feed})"


def wanted(state: State, metric: Metric, bucket: timedelta) -> str:
    """What was expected of the last bad bucket."""
    per = f" in {bucket // timedelta(minutes=1)} min" if metric in {"volume", "silence"} else ""
    if state.expected is not None:
        return f"expected about {shown(metric, state.expected)}{per}"
    if state.high is not None:
        return f"allowed up to {shown(metric, state.high)}{per}"
    return f"allowed from {shown(metric, state.low or 0.0)}{per}"


def shown(metric: Metric, value: float) -> str:
    """A value of a metric, for people."""
    if metric in {"volume", "silence"}:
        return f"{value:,.0f}"
    if metric not in {"delay", "lag"}:
        return f"{value:.2%}"
    return f"{value:,.1f} s" if abs(value) < 120 else f"{value / 60:,.1f} min"


def clock(moment: datetime) -> str:
    """A time, for people."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
