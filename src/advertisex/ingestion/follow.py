"""Follow sources indefinitely: poll APIs and object stores, scan folders and globs, tail growing files.

One thread polls the sources in turn, so a poll never sleeps. Each source sets when its next poll is due.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
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
from advertisex.ingestion.polling import OnFailure, OnPoll, Poller
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.read import read_files, read_stdin
from advertisex.ingestion.records import Input
from advertisex.ingestion.sources import Files, Objects, Source, Stdin, Url
from advertisex.logs.contract import EventLog

_LOG = structlog.get_logger(__name__)
#: How often a wait checks whether it should stop, in seconds.
_POLL_SECONDS = 0.1


class Once(Followed):
    """A source that is read to its end, once: standard input, or files without `follow`.

    Args:
        name: name of the source.
        inputs: yields its inputs.
    """

    def __init__(self, name: str, inputs: Iterator[Input]) -> None:
        self.name, self._inputs = name, inputs
        self.due: float | None = time.monotonic()

    def poll(self) -> Iterator[Input]:
        self.due = None
        yield from self._inputs

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
    on_poll: OnPoll | None = None,
) -> None:
    """Publish what the sources yield until `stop` is set, the process is interrupted, or all sources are exhausted.

    A source that fails is polled again. A repeated failure is reported only once.

    Raises:
        LogError: the log could not be written.
        ConfigurationError: a URL or a header is invalid.
    """
    with ExitStack() as stack:
        pollers = [
            Poller(followed(source, feed, options, log), feed, options, log, publisher, inspection, report, on_poll)
            for source in sources
        ]
        for poller in pollers:
            stack.callback(poller.close)
        while waiting := [(poller.source.due, poller) for poller in pollers if poller.source.due is not None]:
            due, poller = min(waiting, key=lambda pair: pair[0])
            if stop.wait(max(0.0, due - time.monotonic())):
                return
            poller.poll(stop)
            if new := inspection.remember_types(log):
                _LOG.warning("new conversion types", feed=feed.name, types=new)


def followed(source: Source, feed: Feed, options: IngestOptions, log: EventLog) -> Followed:
    """Return a source as one that is polled."""
    match source:
        case Stdin():
            return Once(source.name, read_stdin(source, feed, options))
        case Files() if not options.follow:
            return Once(source.name, read_files(source, feed, options))
        case Files():
            return FollowedFiles(source, feed, options, log)
        case Url():
            return FollowedApi(source, feed, options, log)
        case Objects():
            return FollowedObjects(source, feed, options, log)
