"""Follow sources indefinitely: poll APIs, scan folders and globs, tail growing files.

One thread polls the sources in turn, so a poll never sleeps. Each source sets when its next poll is due.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import takewhile
from pathlib import Path
from threading import Event
from typing import Protocol

import structlog

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.api_source import LONGEST_RETRY_AFTER, LONGEST_WAIT, fetch, read_body
from advertisex.ingestion.following.positions import key_prefix, load
from advertisex.ingestion.following.watch import Watch
from advertisex.ingestion.input_report import Inspection
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.read import or_failing, read_stdin
from advertisex.ingestion.records import Input
from advertisex.ingestion.sources import Files, Source, Stdin, Url
from advertisex.logs.contract import EventLog

_LOG = structlog.get_logger(__name__)
#: How often a wait checks whether it should stop, in seconds.
_POLL_SECONDS = 0.1

#: Called with the error of a source.
OnFailure = Callable[[SourceError], None]


class Followed(Protocol):
    """A source that is polled repeatedly.

    Attributes:
        name: name of the source.
        due: when to poll next, in seconds of the monotonic clock; None once the source is exhausted.
    """

    name: str
    due: float | None

    def poll(self) -> Iterator[Input]:
        """Yield each input with its records since the last poll.

        Raises:
            SourceError: the inputs could not be found.
        """
        ...

    def failed(self, error: SourceError) -> bool:
        """Record a failure of the last poll. Return whether it is new and should be reported."""
        ...

    def close(self) -> None:
        """Release what is held between polls."""
        return


class FollowedApi(Followed):
    """An HTTP API, polled at a fixed interval, with exponential backoff after failures."""

    def __init__(self, source: Url, feed: Feed, options: IngestOptions) -> None:
        self._source, self._feed, self._options = source, feed, options
        self.name = source.name
        self._wait = 0.0
        self._last_failure = ""
        self._has_failed = False
        self.due: float | None = time.monotonic()

    def poll(self) -> Iterator[Input]:
        self.due = time.monotonic() + self._options.every
        self._has_failed = False
        response = fetch(self._source.url, self._options)
        yield from read_body(self._source.url, response, self._feed, self._options)
        if not self._has_failed:
            self._wait, self._last_failure = 0.0, ""

    def failed(self, error: SourceError) -> bool:
        self._has_failed = True
        longest = max(LONGEST_WAIT, self._options.retry_wait)
        self._wait = min(self._wait * 2 or self._options.retry_wait, longest)
        jittered = self._wait * random.uniform(1, 1.25)  # noqa: S311 - jitter needs no secure randomness
        retry_after = getattr(error, "retry_after", None)
        self.due = time.monotonic() + (jittered if retry_after is None else min(retry_after, LONGEST_RETRY_AFTER))
        is_new, self._last_failure = str(error) != self._last_failure, str(error)
        return is_new


class FollowedFiles(Followed):
    """A file, folder or glob, polled for new records. Only one process follows it; the positions are in the log."""

    def __init__(self, source: Files, feed: Feed, options: IngestOptions, log: EventLog) -> None:
        self._source, self._feed, self._options, self._log = source, feed, options, log
        self.name = source.name
        self._prefix = key_prefix(feed, source, options)
        self._watch: Watch | None = None
        self._reported: set[str] = set()
        self.due: float | None = time.monotonic()

    def poll(self) -> Iterator[Input]:
        self.due = time.monotonic() + self._options.every
        yield from self._locked().poll()

    def failed(self, error: SourceError) -> bool:
        is_new = str(error) not in self._reported
        self._reported.add(str(error))
        return is_new

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _locked(self) -> Watch:
        """Return the watch of the source, once it is locked for this process.

        Raises:
            SourceError: it is locked by another process, or does not exist.
        """
        if self._watch is None:
            if not self._log.lock(self._prefix):
                raise SourceError(
                    "the source is followed already, by another process or for another entry of the settings",
                    where=self._source.name,
                    hint="nothing to do: this process follows it once the other one has ended",
                )
            positions = load(self._log.state(self._prefix))
            self._watch = Watch(self._source, self._feed, self._options, self._prefix, positions)
            if not self._source.paths() and not Path(self._source.name).is_dir():
                self._source.existing_paths()
        return self._watch


class FollowedStdin(Followed):
    """Standard input, read to its end; the other sources wait for it."""

    def __init__(self, source: Stdin, feed: Feed, options: IngestOptions) -> None:
        self._source, self._feed, self._options = source, feed, options
        self.name = source.name
        self.due: float | None = time.monotonic()

    def poll(self) -> Iterator[Input]:
        self.due = None
        yield from read_stdin(self._source, self._feed, self._options)

    def failed(self, error: SourceError) -> bool:
        return True


def follow(
    feed: Feed,
    sources: Sequence[Source],
    options: IngestOptions,
    log: EventLog,
    publisher: Publisher,
    inspection: Inspection,
    report: OnFailure,
    stop: Event,
) -> None:
    """Publish what the sources yield until `stop` is set, the process is interrupted, or all sources are exhausted.

    A source that fails is polled again. A repeated failure is reported only once.

    Raises:
        LogError: the log could not be written.
        ConfigurationError: a URL or a header is invalid.
    """
    with ExitStack() as stack:
        followed = [_followed(source, feed, options, log) for source in sources]
        for source in followed:
            stack.callback(source.close)
        while waiting := [(source.due, source) for source in followed if source.due is not None]:
            due, source = min(waiting, key=lambda pair: pair[0])
            if _stopped_before(due, stop):
                return
            _publish(source, publisher, inspection, report, stop)
            if new := inspection.remember_types(log):
                _LOG.warning("new conversion types", feed=feed.name, types=new)


def _stopped_before(due: float, stop: Event) -> bool:
    """Wait until `due`, a time of the monotonic clock. Return True at once if `stop` is set."""
    # Not `stop.wait`: an exception that a signal handler raises in it can leave the event's own lock broken.
    while not stop.is_set() and (left := due - time.monotonic()) > 0:
        time.sleep(min(left, _POLL_SECONDS))
    return stop.is_set()


def _publish(source: Followed, publisher: Publisher, inspection: Inspection, report: OnFailure, stop: Event) -> None:
    for one in or_failing(source.poll(), source.name):
        if stop.is_set():
            return
        try:
            with closing(inspection.chunks(one)) as chunks:
                publisher.drain(one.name, takewhile(lambda _: not stop.is_set(), chunks), one.bookmark)
        except SourceError as error:
            if source.failed(error):
                report(error)


def _followed(source: Source, feed: Feed, options: IngestOptions, log: EventLog) -> Followed:
    match source:
        case Stdin():
            return FollowedStdin(source, feed, options)
        case Url():
            return FollowedApi(source, feed, options)
        case Files():
            return FollowedFiles(source, feed, options, log)
