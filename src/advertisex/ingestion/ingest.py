"""Ingest sources: append their records to the event log and return exact counts."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from threading import Event
from typing import BinaryIO

import structlog

from advertisex.errors import ConfigurationError, SourceError
from advertisex.feeds import FEEDS, Feed
from advertisex.ingestion.api.poll import poll_api
from advertisex.ingestion.follow import Interruptible, OnFailure, follow
from advertisex.ingestion.input_report import InputReport, Inspection, balance, unusual
from advertisex.ingestion.objects.poll import poll_objects
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.publish import Progress, Published, Publisher
from advertisex.ingestion.read import or_failing, read_files, read_stdin
from advertisex.ingestion.records import Input
from advertisex.ingestion.sources import Files, Objects, Source, Stdin, Url, source_of
from advertisex.logs.contract import EventLog

__all__ = ["IngestOptions", "Published", "ingest"]

#: Failures that a result lists; following a source for months could see any number of them.
_MOST_FAILURES = 1_000


def ingest(
    feed: Feed | str,
    sources: str | Sequence[str],
    log: EventLog,
    options: IngestOptions = IngestOptions(),
    on_progress: Progress | None = None,
    on_failure: OnFailure | None = None,
    stop: Event | None = None,
    stdin: BinaryIO | None = None,
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
        stop: ends a run with `follow` when set.
        stdin: what to read for `-`, in place of the standard input of the process.

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

    def published(*, interrupted: bool = False) -> Published:
        inspection.remember_types(log)
        counted = publisher.published(interrupted=interrupted, failures=tuple(failures.values()))
        return replace(counted, inputs=inspection.reports, new_types=inspection.new_types)

    try:
        if options.follow:
            follow(feed, inputs, options, log, publisher, inspection, report, stop or Interruptible())
        else:
            for one in inputs_of_sources(inputs, feed, options, log):
                try:
                    with closing(inspection.chunks(one)) as chunks:
                        publisher.drain(one.name, chunks, one.bookmark)
                except SourceError as error:
                    report(error)
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


def inputs_of_sources(
    sources: Sequence[Source], feed: Feed, options: IngestOptions, log: EventLog | None
) -> Iterator[Input]:
    """Yield the inputs of sources; each is opened when its first chunk is read.

    Args:
        sources: the sources.
        feed: feed of their records.
        options: how they are read.
        log: the log that keeps how far APIs and object stores have been read; None for a preview.
    """
    for source in sources:
        yield from or_failing(_inputs_of(source, feed, options, log), source.name)


def _inputs_of(source: Source, feed: Feed, options: IngestOptions, log: EventLog | None) -> Iterator[Input]:
    match source:
        case Stdin():
            return read_stdin(source, feed, options)
        case Url():
            return poll_api(source, feed, options, log)
        case Objects():
            return poll_objects(source, feed, options, log)
        case Files():
            return read_files(source, feed, options)


def _logged(error: SourceError) -> None:
    structlog.get_logger(__name__).warning("source failed", error=str(error))


def _log_first(name: str, report: InputReport) -> None:
    """Log what was found in an input that is followed, in short."""
    log = structlog.get_logger(__name__)
    details = {"format": report.reading.format, "detected": unusual(report.reading), "rows": balance([report.reading])}
    log.info("new input", source=name, **{key: text for key, text in details.items() if text})
    for warning, number in report.warnings.items():
        log.warning("suspect input", source=name, warning=warning, occurrences=number)
