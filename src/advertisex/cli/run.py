"""`advertisex run`: ingest and process continuously, as configured."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Annotated

import structlog
import typer

from advertisex.catalogue.files import catalogue_files
from advertisex.cli.held_store import readable_meanwhile
from advertisex.cli.ledger_table import print_expired, print_ledger
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    MetricsPortOption,
    SkipDamagedOption,
    StoreOption,
    settings_of,
    store_when_available,
    with_port,
)
from advertisex.cli.output import err
from advertisex.cli.serving import PortOption, SharedStore, served
from advertisex.cli.signals import stop_on_signals
from advertisex.errors import ConfigurationError
from advertisex.ingestion.configured import sources_of
from advertisex.logs.contract import EventLog
from advertisex.logs.open import check_retention, open_log
from advertisex.monitoring.observing import observing
from advertisex.processing.configured import processing_of
from advertisex.processing.log_retention import retaining
from advertisex.service import run_service
from advertisex.settings.model import Settings
from advertisex.stores.retention import expired_in

_LOG = structlog.get_logger(__name__)


def run(
    serve: Annotated[
        bool, typer.Option("--serve", help="Also serve the dashboard, the API and the collector, as `serve` does.")
    ] = False,
    port: PortOption = None,
    metrics_port: MetricsPortOption = None,
    skip_damaged: SkipDamagedOption = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Ingest the configured sources, process their messages and evaluate alerts, until interrupted."""
    settings = with_port(settings_of(config, data=data, log=log, store=store), metrics_port)
    if port is not None and not serve:
        raise ConfigurationError("--port requires --serve", hint="add --serve")
    check_retention(settings.log_url, settings.log)
    processing = processing_of(settings, follow=True, waits=True, skip_damaged=skip_damaged)
    sources = sources_of(settings)
    shared, log_factory = SharedStore(), _log_factory(settings, create=True)
    with (
        _server(settings, port, shared) if serve else ExitStack() as server,
        store_when_available(settings) as event_store,
        stop_on_signals(event_store.interrupt) as stop,
        observing(settings, event_store, log_factory, processing, lines=not err.is_terminal, alerts=True) as observer,
        retaining(
            settings.log,
            event_store,
            log_factory,
            stop,
            observer.metrics.removed_from_log,
            observer.metrics.monitoring_failed,
        ),
        readable_meanwhile(settings, event_store),
        closing(server),  # before the store
    ):
        shared.share(event_store)
        if not sources:
            _LOG.warning("no sources are configured", hint="add [[sources]] to the settings, or run `advertisex init`")
        for source in sources:
            _LOG.info("following source", feed=source.feed.name, source=source.shown, every=source.options.every)
        run_service(sources, log_factory, event_store, processing, observer, stop, catalogue_files(settings))
        rows, expired = event_store.ledger(), expired_in(event_store)
    print_ledger(rows, as_json=as_json)
    if not as_json:
        print_expired(expired)


def _server(settings: Settings, port: int | None, store: SharedStore) -> ExitStack:
    """Begin to serve: before the store is open, since the collector can do without it, and the port may be in use."""
    with ExitStack() as stack:
        addresses = stack.enter_context(served(settings, port, store, store, _log_factory(settings, create=False)))
        _LOG.info("serving", **addresses)
        return stack.pop_all()


def _log_factory(settings: Settings, *, create: bool) -> Callable[[], EventLog]:
    return partial(open_log, settings.log_url, create=create, kafka=settings.kafka, folder=settings.data)
