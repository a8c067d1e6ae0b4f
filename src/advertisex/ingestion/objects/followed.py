"""Objects of an object store that are polled."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.backoff import Backoff
from advertisex.ingestion.objects.poll import PolledObjects
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.polled import PolledSource
from advertisex.ingestion.records import Input
from advertisex.ingestion.source_status import Kind
from advertisex.ingestion.sources import Objects
from advertisex.logs.contract import EventLog

#: The longest wait before an object that failed is read again, in seconds.
_OBJECT_WAIT = 3600.0

#: Key and version of an object.
_Version = tuple[str, str]


@dataclass(slots=True)
class _Failed:
    """An object that could not be read; it is not read again before `retry_at`."""

    backoff: Backoff
    retry_at: float = 0.0


class FollowedObjects(PolledSource):
    """Objects that are listed at a fixed interval; only new and changed ones are read.

    After failures, the waits double: that before the next listing, and for each object that before it is read again.
    """

    kind: Kind = "objects"

    def __init__(self, source: Objects, feed: Feed, options: IngestOptions, log: EventLog) -> None:
        self._polled = PolledObjects(source, feed, options, log)
        self._every, self._first_wait = options.every, options.api.retry_wait
        self._listing = Backoff(self._first_wait)
        self._failed: dict[_Version, _Failed] = {}
        self._current: _Version | None = None  # None while the objects are listed
        self.name = self.address = source.name
        self.id = self._polled.id
        self._pages = 0
        self.due: float | None = time.monotonic()

    @property
    def pages(self) -> int:
        return self._pages

    @property
    def position(self) -> str:
        number, failed = self._polled.read, len(self._failed)
        return f"{number:,} object{'s' if number != 1 else ''}" + (f", {failed:,} failed" if failed else "")

    @property
    def has_put_off(self) -> bool:
        return bool(self._failed)

    def poll(self) -> Iterator[Input]:
        self.due = time.monotonic() + self._every
        self._current = None
        new = {(one.key, one.version): one for one in self._polled.listed()}
        self._listing.reset()
        self._failed = {version: self._failed[version] for version in new.keys() & self._failed.keys()}
        for version, one in new.items():
            failed = self._failed.get(version)
            if failed is not None and failed.retry_at > time.monotonic():
                continue
            self._current = version
            yield from self._polled.inputs(one)
            if self._polled.is_read(one.key):
                self._failed.pop(version, None)
                self._pages += 1

    def failed(self, error: SourceError) -> None:
        if self._current is None:
            self.due = time.monotonic() + self._listing.next()
        else:
            failed = self._failed.setdefault(self._current, _Failed(Backoff(self._first_wait, _OBJECT_WAIT)))
            failed.retry_at = time.monotonic() + failed.backoff.next()
