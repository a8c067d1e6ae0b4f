"""`advertisex alerts`: list alerts and test their channels."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import err, out, plain, print_json, say
from advertisex.cli.tables import print_table
from advertisex.errors import ConfigurationError
from advertisex.monitoring.attempts import NotSent
from advertisex.monitoring.channels import Channel, channels_of
from advertisex.monitoring.notices import Notice, format_expected, format_scope, format_value
from advertisex.monitoring.rules import rules_of
from advertisex.monitoring.state_store import load_evaluated, load_states
from advertisex.monitoring.states import State

app = typer.Typer(help="List alerts and test their channels.", no_args_is_help=True)

_TEST = Notice("AdvertiseX: test notice", "Sent by `advertisex alerts test`: this channel works.")


@app.callback()
def alerts() -> None:
    """List alerts and test their channels."""


@app.command("list")
def list_alerts(
    with_resolved: Annotated[bool, typer.Option("--all", help="Include alerts resolved in the last week.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List firing and pending alerts, with the expected values and the channels notified."""
    settings = settings_of(config, data=data, log=log, store=store)
    metrics = {rule.name: rule.metric for rule in rules_of(settings.alerts)}
    channels = [channel.name for channel in channels_of(settings.alerts.channels)]
    with opened_store(settings, read_only=True) as event_store:
        states = load_states(event_store).values()
        found = load_evaluated(event_store)
    evaluated = None if found is None else found.until
    order = ("firing", "pending", "resolved")
    listed = sorted(
        (s for s in states if s.key.rule in metrics and (with_resolved or s.status != "resolved")),
        key=lambda s: (order.index(s.status), s.severity != "critical", s.since, s.key.rule),
    )
    if as_json:
        documents = [_document(state, metrics[state.key.rule]) for state in listed]
        print_json({"alerts": documents, "evaluated_until": _iso(evaluated), "channels": channels})
        return
    rows = []
    for state in listed:
        metric = metrics[state.key.rule]
        value = format_value(metric, state.value)
        expected = format_expected(state, metric, settings.alerts.bucket)
        notified = ", ".join(state.notified) or "nobody"
        undelivered = "".join(f"; {name} failed: {why}" for name, why in state.undelivered.items())
        rows.append(
            (
                _marked(state.status),
                state.severity,
                state.key.rule,
                format_scope(state),
                value,
                expected,
                state.since,
                notified + undelivered,
            )
        )
    if rows:
        columns = ("status", "severity", "rule", "where", "value", "expected", "since", "notified")
        print_table("Alerts", columns, rows, keys=("rule", "where"), prose=("notified",))
        out.print()
    elif evaluated is not None:
        say("No alert is firing or pending.")
    if evaluated is None:
        say("Not evaluated yet; `advertisex run` evaluates alerts.")
    else:
        say(f"Evaluated up to {evaluated:%Y-%m-%d %H:%M} UTC.")
    say(f"Channels: {', '.join(channels) or 'none; add some to alerts.channels in the settings'}")


@app.command("test")
def try_channels(
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Send one test notice through each channel and report whether it was accepted."""
    settings = settings_of(config, data=data, log=log, store=store)
    channels = channels_of(settings.alerts.channels)
    if not channels:
        raise ConfigurationError("no alert channels configured", hint="add some to alerts.channels in the settings")
    results = _failures(channels)
    if as_json:
        documents = [{"channel": name, "sent": not why, "failure": why or None} for name, why in results]
        print_json({"channels": documents, "good": not any(why for _, why in results)})
    else:
        for name, why in results:
            mark = Text("bad", "red bold") if why else Text("ok ", "green")
            say(why or "notice accepted", head=Text.assemble(mark, " ", plain(name), " "))
    if any(why for _, why in results):
        raise typer.Exit(1)


def _failures(channels: Sequence[Channel[Any]]) -> list[tuple[str, str]]:
    """Send the test notice through all channels at once, and return why each failed; empty on success."""
    deadline = channels[0].deadline
    with err.status(plain(f"sending to {', '.join(channel.name for channel in channels)}")):
        begun = [(channel.name, channel.attempt(_TEST)) for channel in channels]
        return [(name, _failure(finish, deadline)) for name, finish in begun]


def _failure(finish: Callable[[float], None], deadline: float) -> str:
    try:
        finish(deadline)
    except NotSent as error:
        return str(error)
    return ""


def _marked(status: str) -> Text:
    return Text(status, {"firing": "red bold", "pending": "yellow"}.get(status, ""))


def _document(state: State, metric: str) -> dict[str, Any]:
    return {
        "rule": state.key.rule,
        "metric": metric,
        "feed": state.key.feed,
        "campaign": state.key.campaign,
        "severity": state.severity,
        "status": state.status,
        "since": _iso(state.since),
        "ended": _iso(state.ended) if state.status == "resolved" else None,
        "value": state.value,
        "expected": state.expected,
        "low": state.low,
        "high": state.high,
        "notified": [{"channel": name, "of": status} for name, status in state.notified.items()],
        "undelivered": [{"channel": name, "failure": why} for name, why in state.undelivered.items()],
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else f"{time.isoformat()}Z"
