"""An HTTP API that is polled."""

import time
from collections.abc import Iterator

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.api.connection import LONGEST_RETRY_AFTER
from advertisex.ingestion.api.poll import ApiSource
from advertisex.ingestion.backoff import Backoff
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.polled import PolledSource
from advertisex.ingestion.records import Input
from advertisex.ingestion.sources import Url
from advertisex.logs.contract import EventLog


class FollowedApi(PolledSource):
    """An HTTP API, polled at a fixed interval, with exponential backoff after failures.

    Attributes:
        api: what is polled.
    """

    def __init__(self, source: Url, feed: Feed, options: IngestOptions, log: EventLog) -> None:
        self._every, self._backoff = options.every, Backoff(options.api.retry_wait)
        self.api = ApiSource(source, feed, options, log)
        self.name = self.address = source.name
        self.id, self.kind = self.api.id, self.api.kind
        self._has_failed = False
        self.due: float | None = time.monotonic()

    @property
    def pages(self) -> int:
        return self.api.pages

    @property
    def position(self) -> str:
        return self.api.position

    @property
    def has_put_off(self) -> bool:
        return self.api.wait > 0

    def poll(self) -> Iterator[Input]:
        self.due = time.monotonic() + self._every
        self._has_failed = False
        yield from self.api.poll()
        if self.api.wait:
            self.due = time.monotonic() + self.api.wait
        if not self._has_failed:
            self._backoff.reset()

    def failed(self, error: SourceError) -> None:
        self._has_failed = True
        wait, retry_after = self._backoff.next(), getattr(error, "retry_after", None)
        self.due = time.monotonic() + (wait if retry_after is None else min(retry_after, LONGEST_RETRY_AFTER))

    def close(self) -> None:
        self.api.close()
