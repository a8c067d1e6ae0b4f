"""`advertisex serve`: the dashboard, the HTTP API and the collector."""

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

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
    store_for_marks,
)
from advertisex.cli.output import print_json, say
from advertisex.cli.signals import stop_on_signals
from advertisex.extras import extra


def serve(
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65_535, help="Port to listen on; 0 for a free one.  \\[default: 8470]"),
    ] = None,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Serve the dashboard and the HTTP API, until interrupted."""
    with extra("web", "the dashboard and the HTTP API"):
        from advertisex.web.server import serving  # noqa: PLC0415 - an extra
        from advertisex.web.site import Site  # noqa: PLC0415
        from advertisex.web.uploads import Uploads  # noqa: PLC0415

    settings = settings_of(config, data=data, log=log, store=store)
    web = settings.web if port is None else settings.web.model_copy(update={"port": port})
    with stop_on_signals() as stop, TemporaryDirectory(prefix="advertisex-") as folder, ExitStack() as stack:
        site = Site(
            settings,
            partial(opened_store, settings, read_only=True),
            partial(opened_log, settings, create=False),
            Uploads(Path(folder)),
            partial(store_for_marks, settings),
            stack.enter_context(opened_log(settings)) if settings.collector.enabled else None,
        )
        address = stack.enter_context(serving(site, web))
        _announce(address, is_collecting=settings.collector.enabled, as_json=as_json)
        stop.wait()


def _announce(address: str, *, is_collecting: bool, as_json: bool) -> None:
    api, events = f"{address}api/v1/", f"{address}v1/events/"
    if as_json:
        print_json({"dashboard": address, "api": api, "events": events if is_collecting else None})
        sys.stdout.flush()  # the reader of a pipe waits for it
        return
    collector = f"; events are taken at {events}FEED" if is_collecting else ""
    say(f"The dashboard is at {address}, the API at {api}{collector}; stop with Ctrl-C.")
