"""`advertisex serve`: the dashboard, the HTTP API and the collector."""

import sys
from functools import partial

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    opened_store,
    settings_of,
    store_for_changes,
)
from advertisex.cli.output import print_json, say
from advertisex.cli.serving import PortOption, served
from advertisex.cli.signals import stop_on_signals


def serve(
    port: PortOption = None,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Serve the dashboard and the HTTP API, until interrupted."""
    settings = settings_of(config, data=data, log=log, store=store)
    opening = (
        partial(opened_store, settings, read_only=True, wait=0.0),  # a browser asks again
        partial(store_for_changes, settings),
        partial(opened_log, settings, create=False),
    )
    with stop_on_signals() as stop, served(settings, port, *opening) as addresses:
        _announce(addresses, as_json=as_json)
        stop.wait()


def _announce(addresses: dict[str, str | None], *, as_json: bool) -> None:
    if as_json:
        print_json(addresses)
        sys.stdout.flush()  # the reader of a pipe waits for it
        return
    events = addresses["events"]
    collector = f"; events are taken at {events}FEED" if events else ""
    say(f"The dashboard is at {addresses['dashboard']}, the API at {addresses['api']}{collector}; stop with Ctrl-C.")
