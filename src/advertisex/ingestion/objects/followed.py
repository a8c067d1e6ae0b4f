"""Objects of an object store that are followed."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.followed import Followed
from advertisex.ingestion.objects.poll import PolledObjects
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import Input
from advertisex.ingestion.source_status import Kind
from advertisex.ingestion.sources import Objects
from advertisex.logs.contract import EventLog

#: The longest wait before the next listing after failures, and before an object that failed is read again, in seconds.
_LISTING_WAIT = 60.0
_OBJECT_WAIT = 3600.0


#: Key and version of an object.
_Version = tuple[str, str]


class _Failure(NamedTuple):
    """The last failures of an object, or of the listing."""

    text: str
    times: int
    retry_at: float


class FollowedObjects(Followed):
    """Objects that are listed at a fixed interval; only new and changed ones are read.

    After failures, the waits double: that before the next listing, and for each object that before it is read again.
    """

    kind: Kind = "objects"

    def __init__(self, source: Objects, feed: Feed, options: IngestOptions, log: EventLog) -> None:
        self._polled = PolledObjects(source, feed, options, log)
        self._every = options.every
        self._failures: dict[_Version | None, _Failure] = {}  # None: the listing
        self._current: _Version | None = None
        self.name = self.address = source.name
        self.id = self._polled.id
        self._pages = 0
        self.due: float | None = time.monotonic()

    @property
    def pages(self) -> int:
        return self._pages

    @property
    def position(self) -> str:
        """How far the objects have been read, in words."""
        number, failed = self._polled.read, len(self._failures.keys() - {None})
        return f"{number:,} object{'s' if number != 1 else ''}" + (f", {failed:,} failed" if failed else "")

    def poll(self) -> Iterator[Input]:
        self.due = time.monotonic() + self._every
        self._current = None
        new = {(one.key, one.version): one for one in self._polled.listed()}
        self._failures = {version: self._failures[version] for version in new.keys() & self._failures.keys()}
        for version, one in new.items():
            failure = self._failures.get(version)
            if failure is not None and failure.retry_at > time.monotonic():
                continue
            self._current = version
            yield from self._polled.inputs(one)
            if self._polled.is_read(one.key):
                self._failures.pop(version, None)
                self._pages += 1

    def failed(self, error: SourceError) -> bool:
        before = self._failures.get(self._current)
        times = 0 if before is None else before.times + 1
        wait = min(
            self._every * 2.0 ** min(times, 32), _OBJECT_WAIT if self._current else max(_LISTING_WAIT, self._every)
        )
        self._failures[self._current] = _Failure(str(error), times, time.monotonic() + wait)
        if self._current is None:
            self.due = time.monotonic() + wait
        return before is None or before.text != str(error)
