"""`advertisex process`: process messages from the log into the store."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from advertisex.catalogue.files import catalogue_files
from advertisex.catalogue.unknown import UnknownIds
from advertisex.catalogue.watched import WatchedCatalogue
from advertisex.cli.catalogue_change import import_catalogue
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
    opened_log,
    opened_store,
    settings_of,
    store_when_available,
    with_port,
)
from advertisex.cli.output import err, print_json
from advertisex.cli.process_workers import Stored, process_with_workers, stored_in
from advertisex.cli.progress import progress
from advertisex.cli.signals import stop_on_signals
from advertisex.cli.unknown_ids import log_unknown, print_unknown, unknown_document
from advertisex.cli.workers import WORKER_FLAG
from advertisex.errors import INTERRUPTED, ConfigurationError, LogError
from advertisex.logs.contract import EventLog
from advertisex.logs.open import check_retention, open_log
from advertisex.model import Counts
from advertisex.monitoring.observing import Observer, observing
from advertisex.processing.configured import processing_of
from advertisex.processing.lag import lags
from advertisex.processing.log_retention import retaining
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.processing.transaction_warnings import warn_of_held_back
from advertisex.reporting.ledger_document import ledger_dict
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)


def process(
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep running: wait for new messages until interrupted.")
    ] = False,
    catalogue: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Catalogue CSV: imported first, if it has changed; repeatable."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Messages per batch.  \\[default: 122880]")
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of processes (Kafka and Elasticsearch only).")
    ] = 1,
    skip_damaged: SkipDamagedOption = False,
    metrics_port: MetricsPortOption = None,
    is_worker: Annotated[bool, typer.Option(WORKER_FLAG, hidden=True)] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Validate, filter and deduplicate messages from the log, store them exactly once, and print the ledger."""
    settings = settings_of(config, data=data, log=log, store=store, catalogue=catalogue, batch_size=batch_size)
    if metrics_port is not None and not follow:
        raise ConfigurationError("--metrics-port requires --follow", hint="add --follow")
    settings = with_port(settings, metrics_port)
    check_retention(settings.log_url, settings.log)
    waits = follow or is_worker  # the parent of workers has checked that the servers respond
    processing = processing_of(settings, follow=follow, waits=waits, skip_damaged=skip_damaged)
    if workers > 1:
        stored, finished = process_with_workers(settings, processing, workers)
        unknown = None  # each worker has logged its own
    else:
        open_store = store_when_available if waits else partial(opened_store, read_only=False)
        with opened_log(settings, create=follow) as event_log, open_store(settings) as event_store:
            watched = None if is_worker else import_catalogue(catalogue_files(settings), event_store, follow=follow)
            unknown = UnknownIds(event_store, processing.feeds)
            finished = _run(event_log, event_store, processing, settings, unknown, watched)
            stored = stored_in(event_store)
    if finished and not (follow or is_worker):
        _warn_of_held_back(settings, processing)
    _print(stored, unknown, as_json=as_json)
    if is_worker and unknown is not None:
        log_unknown(unknown)
    if not finished:
        raise typer.Exit(INTERRUPTED)


def _print(stored: Stored, unknown: UnknownIds | None, *, as_json: bool) -> None:
    if as_json:
        print_json(
            ledger_dict(stored.rows) | {"expired": stored.expired, "unknown": unknown and unknown_document(unknown)}
        )
        return
    print_ledger(stored.rows)
    print_expired(stored.expired)
    if unknown is not None:
        print_unknown(unknown)


def _run(
    log: EventLog,
    store: EventStore,
    processing: Processing,
    settings: Settings,
    unknown: UnknownIds,
    watched: WatchedCatalogue | None,
) -> bool:
    """Process with a progress bar; an interrupt takes effect after the current batch is committed.

    With --follow, each batch writes a log line, metrics are served if configured, and the catalogue is imported again
    when one of its files has changed.

    Returns:
        Whether it reached the end of the log; with --follow, always True.
    """
    waiting = None if processing.waits else sum(lags(log, store, processing.topics).values())
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals(store.interrupt))
        bar = stack.enter_context(progress("processing", waiting))
        observer = stack.enter_context(_observed(store, processing, settings)) if processing.follow else None
        if processing.follow:
            stack.enter_context(readable_meanwhile(settings, store))

        def on_commit(committed: Committed) -> None:
            bar.advance(committed.counts.read)
            unknown.add(committed.outcome)
            if observer is not None:
                observer.committed(committed)
                if watched is not None and watched.import_if_changed():
                    unknown.refresh()

        def on_removed(removed: Counts) -> None:
            if observer is not None:
                observer.metrics.dropped(removed)

        counted = () if observer is None else (observer.metrics.removed_from_log, observer.metrics.monitoring_failed)
        with retaining(settings.log, store, _log_factory(settings), stop, *counted):
            process_log(log, store, processing, stop=stop, on_commit=on_commit, on_removed=on_removed)
        return processing.follow or not stop.is_set()


def _warn_of_held_back(settings: Settings, processing: Processing) -> None:
    """Warn of messages that this run could not read; everything that it could read is stored."""
    try:
        with opened_log(settings, create=False) as log:
            warn_of_held_back(log, processing.topics)
    except LogError as error:
        _LOG.warning("could not check for open transactions", error=str(error))


def _observed(store: EventStore, processing: Processing, settings: Settings) -> AbstractContextManager[Observer]:
    return observing(settings, store, _log_factory(settings), processing, lines=not err.is_terminal, alerts=False)


def _log_factory(settings: Settings) -> Callable[[], EventLog]:
    return partial(open_log, settings.log_url, create=True, kafka=settings.kafka, folder=settings.data)
