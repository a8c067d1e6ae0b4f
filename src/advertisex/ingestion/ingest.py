"""Ingest sources: append their records to the event log and return exact counts."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import BinaryIO

import structlog

from advertisex.errors import ConfigurationError, SourceError
from advertisex.feeds import FEEDS, Feed
from advertisex.ingestion.follow import Interruptible, log_new_types, read_sources
from advertisex.ingestion.input_report import InputReport, Inspection, balance, unusual
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.polling import OnFailure, OnPoll, Run
from advertisex.ingestion.publish import Progress, Published, Publisher
from advertisex.ingestion.sources import source_of
from advertisex.ingestion.stream import OnRead
from advertisex.limits import Limit
from advertisex.logs.contract import EventLog

__all__ = ["IngestOptions", "Published", "ingest"]

_MOST_FAILURES = Limit(1_000, "failures", of="the result of `ingest`", beyond="logged, and not listed")


def ingest(
    feed: Feed | str,
    sources: str | Sequence[str],
    log: EventLog,
    options: IngestOptions = IngestOptions(),
    on_progress: Progress | None = None,
    on_failure: OnFailure | None = None,
    stop: Event | None = None,
    stdin: BinaryIO | None = None,
    on_poll: OnPoll | None = None,
    on_read: OnRead | None = None,
) -> Published:
    """Append every record of every source to the feed's topic.

    A source that fails does not stop the others. Its failure is reported at once and is part of the result. An
    interrupt (KeyboardInterrupt) ends the run cleanly: what was read is appended, and the result reports the interrupt.

    Args:
        feed: feed of the records, or the name of a built-in one.
        sources: one or more files, folders, globs, HTTP(S) URLs, addresses in object stores, or `-` for standard input.
        log: event log to append to.
        options: how the sources are read.
        on_progress: called after each append with the total messages and bytes so far.
        on_failure: called with each failure when it occurs; by default, failures are logged as warnings.
        stop: ends the run when set.
        stdin: what to read for `-`, in place of the standard input of the process.
        on_poll: called with the status of a source after each poll, if its status is kept in the log.
        on_read: called with each file that is read as a whole, and the number of its bytes that have been read.

    Raises:
        LogError: the log could not be written.
        ConfigurationError: the feed is unknown, or an option is invalid.
    """
    feed = known_feed(feed)
    options = options.checked_for(feed)
    inspection = Inspection(feed, options.mapping, _log_first if options.follow else None)
    publisher = Publisher(feed, log, options.mapping, on_progress, numbers=options.dialect.numbers())
    inputs = [source_of(source, stdin) for source in ([sources] if isinstance(sources, str) else sources)]
    failures: dict[str, SourceError] = {}

    def report(error: SourceError) -> None:
        if len(failures) < _MOST_FAILURES:
            failures.setdefault(str(error), error)
        (on_failure or _logged)(error)

    run = Run(feed, options, log, publisher, inspection, report, on_poll, on_read)

    def published(*, interrupted: bool = False) -> Published:
        if options.follow:
            log_new_types(run)
        else:
            inspection.remember_types(log)
        counted = publisher.published(interrupted=interrupted, failures=tuple(failures.values()))
        return replace(counted, inputs=inspection.reports, new_types=inspection.new_types)

    try:
        read_sources(inputs, run, stop or Interruptible())
    except KeyboardInterrupt:
        return published(interrupted=True)
    return published()


def known_feed(feed: Feed | str) -> Feed:
    """Return the feed, or the built-in one of this name.

    Raises:
        ConfigurationError: the feed is unknown.
    """
    if isinstance(feed, Feed):
        return feed
    if feed not in FEEDS:
        raise ConfigurationError(f"unknown feed {feed!r}", hint=f"use one of {', '.join(FEEDS)}, or a Feed")
    return FEEDS[feed]


def _logged(error: SourceError) -> None:
    structlog.get_logger(__name__).warning("source failed", error=str(error))


def _log_first(name: str, report: InputReport) -> None:
    """Log what was found in an input that is followed, in short."""
    log = structlog.get_logger(__name__)
    details = {"format": report.reading.format, "detected": unusual(report.reading), "rows": balance([report.reading])}
    log.info("new input", source=name, **{key: text for key, text in details.items() if text})
    for warning, number in report.warnings.items():
        log.warning("suspect input", source=name, warning=warning, occurrences=number)
