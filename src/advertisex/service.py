"""The long-running service: ingests sources into the log and processes the log into the store until stopped.

Each source has a thread with its own connection to the log; processing runs in the calling thread.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

import structlog

from advertisex.catalogue.files import CatalogueFiles
from advertisex.catalogue.watched import WatchedCatalogue, log_import
from advertisex.errors import SourceError, StoreInterrupted
from advertisex.ingestion.configured import FeedSource
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.source_status import SourceStatus
from advertisex.logs.contract import EventLog
from advertisex.monitoring.observing import Observer, OpenLog
from advertisex.processing.log_check import check_log
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.processing.waiting import when_available
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)
_SHUTDOWN_SECONDS = 10.0
_NO_FILES = CatalogueFiles()


def run_service(
    sources: Sequence[FeedSource],
    open_log: OpenLog,
    store: EventStore,
    processing: Processing,
    observer: Observer,
    stop: Event,
    catalogue: CatalogueFiles = _NO_FILES,
) -> None:
    """Ingest and process until `stop` is set. A source that fails is retried and does not block the others.

    Args:
        sources: the sources to ingest.
        open_log: opens the log; called once per thread.
        store: the store to commit outcomes to.
        processing: how to process, with `follow` and `waits` set.
        observer: receives progress and failures.
        stop: when set, the service stops after the current commit; also set when a thread fails permanently.
        catalogue: files of the catalogue; they are imported at the start, and after a commit if one has changed.

    Raises:
        ConfigurationError: the catalogue cannot be read at the start.
        LogError: the log cannot be written or read.
        StoreError: the log is not that of the store's ledger, or the store cannot be written.
    """
    watched = WatchedCatalogue(catalogue, store) if catalogue.paths else None
    if watched is not None:
        log_import(watched.first)

    def on_commit(committed: Committed) -> None:
        observer.committed(committed)
        if watched is not None:
            watched.import_if_changed()

    topics = [feed.topic for feed in processing.feeds.values()]
    with open_log() as log:  # before a source fails to append, or appends to another log
        when_available(partial(check_log, log, store, topics), stop, partial(log.identities, topics))
    if stop.is_set():
        return
    with open_log() as log, _following(sources, open_log, observer, stop, store.interrupt):
        process_log(log, store, processing, stop=stop, on_commit=on_commit, on_removed=observer.metrics.dropped)


@contextmanager
def _following(
    sources: Sequence[FeedSource], open_log: OpenLog, observer: Observer, stop: Event, on_failure: Callable[[], None]
) -> Iterator[None]:
    """Follow the sources while the block runs; the failure of a thread sets `stop` and is raised at the end."""
    failures: list[BaseException] = []

    def follow(source: FeedSource) -> None:
        try:
            with open_log() as log:
                _follow(source, log, observer, stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            failures.append(error)
            stop.set()
            on_failure()

    threads = [Thread(target=follow, args=(source,), name=source.shown, daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    try:
        yield
    except StoreInterrupted as interrupted:
        if failures:  # the failure caused the interrupt
            raise failures[0] from interrupted
        raise
    finally:
        stop.set()
        for thread in threads:  # a thread may be blocked on its source; everything it appended is in the log
            thread.join(_SHUTDOWN_SECONDS / len(threads))
    if failures:
        raise failures[0]


def _follow(source: FeedSource, log: EventLog, observer: Observer, stop: Event) -> None:
    feed, before = source.feed.name, 0

    def on_progress(messages: int, size: int) -> None:
        nonlocal before
        observer.metrics.ingested(feed, messages - before)
        before = messages

    def on_failure(error: SourceError) -> None:
        observer.metrics.source_failed(feed)
        _LOG.warning("source failed", source=source.shown, feed=feed, error=str(error))
        _LOG.debug("traceback", feed=feed, exc_info=error)

    def on_poll(status: SourceStatus) -> None:
        if status.succeeded_at:
            observer.metrics.source_succeeded(status.name, feed, status.succeeded_at / 1e6)

    ingest(source.feed, [source.source], log, source.options, on_progress, on_failure, stop, on_poll=on_poll)
