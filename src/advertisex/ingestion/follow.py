"""Following sources for ever: APIs are polled, folders and globs looked through, files read on as they grow.

One thread asks each source in its turn. So a poll never sleeps; it says when it wants to be asked again.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from threading import Event
from typing import Protocol

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.api_source import LONGEST_RETRY_AFTER, LONGEST_WAIT, fetch, read_body, redacted
from advertisex.ingestion.open_source import STDIN, is_url, read_stdin
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.records import Chunk
from advertisex.ingestion.watch import Watch

Report = Callable[[SourceError], None]


class Followed(Protocol):
    """A source that can be asked again and again."""

    #: When to ask next, in seconds of the monotonic clock; None when there is nothing more to come.
    due: float | None

    def poll(self) -> Iterator[tuple[str, Iterator[Chunk]]]:
        """What has come since the last time, for each input that it came from."""
        ...

    def failed(self, error: SourceError) -> bool:
        """Take note of a failure of the last poll; whether it is news."""
        ...


class FollowedApi:
    """An HTTP API, asked every so often; after a failure, later and later."""

    def __init__(self, url: str, feed: Feed, options: IngestOptions) -> None:
        self._url, self._feed, self._options = url, feed, options
        self._wait = 0.0
        self._last_failure = ""
        self.due: float | None = time.monotonic()

    def poll(self) -> Iterator[tuple[str, Iterator[Chunk]]]:
        """See `Followed.poll`."""
        asked = time.monotonic()
        self.due = asked + self._options.every
        yield redacted(self._url), self._chunks()

    def failed(self, error: SourceError) -> bool:
        """See `Followed.failed`."""
        longest = max(LONGEST_WAIT, self._options.retry_wait)
        self._wait = min(self._wait * 2 or self._options.retry_wait, longest)
        jittered = self._wait * random.uniform(1, 1.25)  # noqa: S311 - spreads load, guards nothing
        asked_for = getattr(error, "retry_after", None)
        self.due = time.monotonic() + (jittered if asked_for is None else min(asked_for, LONGEST_RETRY_AFTER))
        news, self._last_failure = str(error) != self._last_failure, str(error)
        return news

    def _chunks(self) -> Iterator[Chunk]:
        body, kind = fetch(self._url, self._options)
        yield from read_body(self._url, body, kind, self._feed, self._options)
        self._wait, self._last_failure = 0.0, ""


class FollowedFiles:
    """A file, folder or glob: what is new in it."""

    def __init__(self, source: str, feed: Feed, options: IngestOptions) -> None:
        self._watch = Watch(source, feed, options)
        self._every = options.every
        self._reported: set[str] = set()
        self.due: float | None = time.monotonic()

    def poll(self) -> Iterator[tuple[str, Iterator[Chunk]]]:
        """See `Followed.poll`."""
        self.due = time.monotonic() + self._every
        yield from self._watch.poll()

    def failed(self, error: SourceError) -> bool:
        """See `Followed.failed`."""
        news = str(error) not in self._reported
        self._reported.add(str(error))
        return news


class FollowedStdin:
    """Standard input, read until it ends; the other sources wait for it."""

    def __init__(self, feed: Feed, options: IngestOptions) -> None:
        self._feed, self._options = feed, options
        self.due: float | None = time.monotonic()

    def poll(self) -> Iterator[tuple[str, Iterator[Chunk]]]:
        """See `Followed.poll`."""
        self.due = None
        yield "stdin", read_stdin(self._feed, self._options)

    def failed(self, error: SourceError) -> bool:
        """See `Followed.failed`."""
        return True


def follow(
    feed: Feed, sources: Sequence[str], options: IngestOptions, publisher: Publisher, report: Report, stop: Event
) -> None:
    """Publish what the sources yield until `stop` is set, the process is interrupted, or nothing more can come.

    Whatever fails is reported, once as long as it fails in the same way, and asked again.

    Raises:
        LogError: the log cannot be written.
        ConfigurationError: a URL or a header is none.
    """
    followed = [_followed(source, feed, options) for source in sources]
    while waiting := [(source.due, source) for source in followed if source.due is not None]:
        due, source = min(waiting, key=lambda pair: pair[0])
        if stop.wait(max(0.0, due - time.monotonic())):
            return
        for name, chunks in source.poll():
            try:
                publisher.drain(name, takewhile(lambda _: not stop.is_set(), chunks))
            except SourceError as error:
                if source.failed(error):
                    report(error)


def _followed(source: str, feed: Feed, options: IngestOptions) -> Followed:
    if source == STDIN:
        return FollowedStdin(feed, options)
    if is_url(source):
        return FollowedApi(source, feed, options)
    return FollowedFiles(source, feed, options)
