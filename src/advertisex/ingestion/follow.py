"""Follow sources indefinitely: poll APIs and object stores, scan folders and globs, tail growing files.

One thread polls the sources in turn, so a poll never sleeps. Each source sets when its next poll is due.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import takewhile
from threading import Event

import structlog

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.api.followed import FollowedApi
from advertisex.ingestion.files.followed import FollowedFiles
from advertisex.ingestion.followed import Followed
from advertisex.ingestion.input_report import Inspection
from advertisex.ingestion.objects.followed import FollowedObjects
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.read import or_failing, read_stdin
from advertisex.ingestion.records import Input
from advertisex.ingestion.sources import Files, Objects, Source, Stdin, Url
from advertisex.logs.contract import EventLog

_LOG = structlog.get_logger(__name__)
#: How often a wait checks whether it should stop, in seconds.
_POLL_SECONDS = 0.1

#: Called with the error of a source.
OnFailure = Callable[[SourceError], None]


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


class Interruptible(Event):
    """An event whose `wait` a signal handler may end with an exception.

    In `Event.wait`, such an exception can come while the event's own lock is released, which breaks the lock.
    """

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set, at most `timeout` seconds. Return whether it is set."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _POLL_SECONDS if end is None else min(_POLL_SECONDS, end - time.monotonic())
            if left <= 0:
                break
            time.sleep(left)
        return self.is_set()


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
            if stop.wait(max(0.0, due - time.monotonic())):
                return
            _publish(source, publisher, inspection, report, stop)
            if new := inspection.remember_types(log):
                _LOG.warning("new conversion types", feed=feed.name, types=new)


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
            return FollowedApi(source, feed, options, log)
        case Objects():
            return FollowedObjects(source, feed, options, log)
        case Files():
            return FollowedFiles(source, feed, options, log)
