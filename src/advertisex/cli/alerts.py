"""`advertisex alerts`: list alerts and test their channels."""

from collections.abc import Callable, Sequence
from typing import Any

import typer
from rich.text import Text

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    settings_of,
)
from advertisex.cli.output import err, out, plain, print_json, say
from advertisex.cli.reading import reading
from advertisex.cli.tables import print_table
from advertisex.errors import ConfigurationError
from advertisex.inspection.alerts import Alerts, notified_text
from advertisex.inspection.alerts import alerts as alerts_of
from advertisex.monitoring.attempts import NotSent
from advertisex.monitoring.channels import Channel, channels_of
from advertisex.monitoring.notices import Notice

app = typer.Typer(help="List alerts and test their channels.", no_args_is_help=True)

_TEST = Notice("AdvertiseX: test notice", "Sent by `advertisex alerts test`: this channel works.")


@app.callback()
def alerts() -> None:
    """List alerts and test their channels."""


def _show(found: Alerts) -> None:
    rows = [
        (_marked(one.status), one.severity, one.key.rule, *found.texts(one), one.since, notified_text(one))
        for one in found.listed
    ]
    if rows:
        columns = ("status", "severity", "rule", "where", "value", "expected", "since", "notified")
        print_table("Alerts", columns, rows, keys=("rule", "where"), prose=("notified",))
        out.print()
    elif found.evaluated is not None:
        say("No alert is firing or pending.")
    if found.evaluated is None:
        say("Not evaluated yet; `advertisex run` evaluates alerts.")
    else:
        say(f"Evaluated up to {found.evaluated:%Y-%m-%d %H:%M} UTC.")
    say(f"Channels: {', '.join(found.channels) or 'none; add some to alerts.channels in the settings'}")


app.command("list")(reading(alerts_of, _show, "alerts/list"))


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
