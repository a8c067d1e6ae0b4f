"""All of it at once, for as long as it is wanted: sources into the log, and the log into the store.

Each source is followed by a thread of its own, with its own connection to the log; processing has the calling thread.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

import structlog

from advertisex.errors import SourceError, StoreInterrupted
from advertisex.feeds import Feed
from advertisex.ingestion.api_source import redacted
from advertisex.ingestion.ingest import IngestOptions, ingest
from advertisex.ingestion.open_source import is_url
from advertisex.logs.contract import EventLog
from advertisex.monitoring.observing import Observer, OpenLog
from advertisex.processing.runner import Processing, process_log
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)
_END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """What is followed, and how."""

    feed: Feed
    place: str
    options: IngestOptions

    @property
    def shown(self) -> str:
        """Its name, without a password."""
        return redacted(self.place) if is_url(self.place) else self.place


def run_service(
    sources: Sequence[Source],
    open_log: OpenLog,
    store: EventStore,
    processing: Processing,
    observer: Observer,
    stop: Event,
) -> None:
    """Ingest and process until `stop` is set. A source that fails is asked again, and holds nothing up.

    Args:
        sources: what is ingested.
        open_log: opens the log; called for each thread.
        store: where outcomes are committed.
        processing: how, with `follow`.
        observer: told of what happens.
        stop: ends it after the batch that is being committed; it is set here when a thread fails for good.

    Raises:
        LogError: the log cannot be written or read.
        StoreError: the store cannot be written.
    """
    with open_log() as log, _following(sources, open_log, observer, stop, store.interrupt):
        process_log(log, store, processing, stop, observer.committed)


@contextmanager
def _following(
    sources: Sequence[Source], open_log: OpenLog, observer: Observer, stop: Event, on_failure: Callable[[], None]
) -> Iterator[None]:
    """Follow the sources as long as the block runs; a failure of a thread ends the block, and is raised after it."""
    failures: list[BaseException] = []

    def follow(source: Source) -> None:
        try:
            with open_log() as log:
                _follow(source, log, observer, stop)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where it is heard
            failures.append(error)
            stop.set()
            on_failure()

    threads = [Thread(target=follow, args=(source,), name=source.shown, daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    try:
        yield
    except StoreInterrupted as interrupted:
        if failures:  # that is why it was interrupted
            raise failures[0] from interrupted
        raise
    finally:
        stop.set()
        for thread in threads:  # one may be waiting for its source: what it appended is in the log
            thread.join(_END_SECONDS / len(threads))
    if failures:
        raise failures[0]


def _follow(source: Source, log: EventLog, observer: Observer, stop: Event) -> None:
    feed, before = source.feed.name, 0

    def on_progress(messages: int, size: int) -> None:
        nonlocal before
        observer.metrics.ingested(feed, messages - before)
        before = messages

    def on_failure(error: SourceError) -> None:
        observer.metrics.source_failed(feed)
        _LOG.warning("source failed", feed=feed, error=str(error))

    ingest(source.feed, [source.place], log, source.options, on_progress, on_failure, stop)
