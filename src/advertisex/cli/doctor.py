"""`advertisex doctor`: check the settings, the log, the store and the machine."""

from typing import Annotated

import typer
from rich.text import Text

from advertisex.cli.doctor_deep import Deep
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    place_of,
    settings_of,
)
from advertisex.cli.output import plain, print_json, say
from advertisex.cli.server import ServerOption, asked
from advertisex.inspection.doctor import Checked, checked


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read and verify everything in the log and the store.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check settings, log, topics, store, templates, versions, clock and disk; suggest a fix for each problem."""
    if server is None:
        found = checked(
            lambda: place_of(settings_of(config, data=data, log=log, store=store)), Deep() if deep else None
        )
    else:
        with asked(server, data=data, log=log, store=store, config=config, deep=deep or None) as remote:
            found = remote.get("doctor", {}, Checked)
    if as_json:
        print_json(found.document())
    else:
        width = max(len(f.what) for f in found.findings)
        for f in found.findings:
            mark = Text("ok ", "green") if f.good else Text("bad", "red bold")
            text = f.detail + (f"; {f.hint}" if f.hint else "")
            say(text, head=Text.assemble(mark, " ", plain(f.what.ljust(width)), " "))
    if not found.good:
        raise typer.Exit(1)
