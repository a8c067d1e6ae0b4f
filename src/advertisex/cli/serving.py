"""Serves the dashboard, the API and the collector, in `serve` and in `run`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from advertisex.cli.options import opened_log
from advertisex.errors import StoreUnavailable
from advertisex.extras import extra
from advertisex.logs.contract import EventLog
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore

PortOption = Annotated[
    int | None,
    typer.Option(metavar="PORT", min=0, max=65_535, help="Port to listen on; 0 for a free one.  \\[default: 8470]"),
]

OpenStore = Callable[[], AbstractContextManager[EventStore]]


class SharedStore:
    """The store that a process has open, for the threads of its server: they must not open the file a second time."""

    def __init__(self) -> None:
        self._store: EventStore | None = None

    def __call__(self) -> AbstractContextManager[EventStore]:
        """Return the store, for a request.

        Raises:
            StoreUnavailable: it is not open.
        """
        if self._store is None:
            raise StoreUnavailable("the event store is not open yet", hint="try again in a moment")
        return nullcontext(self._store)

    def share(self, store: EventStore) -> None:
        """Give the store to requests from now on."""
        self._store = store


@contextmanager
def served(
    settings: Settings, port: int | None, store: OpenStore, marks: OpenStore, log: Callable[[], EventLog]
) -> Iterator[dict[str, str | None]]:
    """Serve while the block runs; yield the addresses of the dashboard, of the API, and of the events or None.

    Args:
        settings: the settings.
        port: the value of --port.
        store: opens the store, for queries only.
        marks: opens the store to mark rejects.
        log: opens the log, which is not created if it is missing.

    Raises:
        ConfigurationError: the extra is not installed, the port cannot be used, or a setting is invalid.
    """
    with extra("web", "the dashboard and the HTTP API"):
        from advertisex.web.server import serving  # noqa: PLC0415 - an extra
        from advertisex.web.site import Site  # noqa: PLC0415
        from advertisex.web.uploads import Uploads  # noqa: PLC0415

    web = settings.web if port is None else settings.web.model_copy(update={"port": port})
    collects = settings.collector.enabled
    with TemporaryDirectory(prefix="advertisex-") as folder, ExitStack() as stack:
        collecting = stack.enter_context(opened_log(settings)) if collects else None
        site = Site(settings, store, log, Uploads(Path(folder)), marks, collecting)
        address = stack.enter_context(serving(site, web))
        yield {
            "dashboard": address,
            "api": f"{address}api/v1/",
            "events": f"{address}v1/events/" if collects else None,
        }
