"""An HTTP API that is followed."""

import random
import time
from collections.abc import Iterator

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.api.connection import LONGEST_RETRY_AFTER, LONGEST_WAIT
from advertisex.ingestion.api.poll import ApiSource
from advertisex.ingestion.followed import Followed
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import Input
from advertisex.ingestion.sources import Url
from advertisex.logs.contract import EventLog


class FollowedApi(Followed):
    """An HTTP API, polled at a fixed interval, with exponential backoff after failures.

    Attributes:
        api: what is polled.
    """

    def __init__(self, source: Url, feed: Feed, options: IngestOptions, log: EventLog) -> None:
        self._options = options
        self.api = ApiSource(source, feed, options, log)
        self.name = self.address = source.name
        self.id, self.kind = self.api.id, self.api.kind
        self._wait = 0.0
        self._last_failure = ""
        self._has_failed = False
        self.due: float | None = time.monotonic()

    @property
    def pages(self) -> int:
        return self.api.pages

    @property
    def position(self) -> str:
        return self.api.position

    def poll(self) -> Iterator[Input]:
        self.due = time.monotonic() + self._options.every
        self._has_failed = False
        yield from self.api.poll()
        if self.api.wait:
            self.due = time.monotonic() + self.api.wait
        if not self._has_failed:
            self._wait, self._last_failure = 0.0, ""

    def failed(self, error: SourceError) -> bool:
        self._has_failed = True
        longest = max(LONGEST_WAIT, self._options.api.retry_wait)
        self._wait = min(self._wait * 2 or self._options.api.retry_wait, longest)
        jittered = self._wait * random.uniform(1, 1.25)  # noqa: S311 - jitter needs no secure randomness
        retry_after = getattr(error, "retry_after", None)
        self.due = time.monotonic() + (jittered if retry_after is None else min(retry_after, LONGEST_RETRY_AFTER))
        is_new, self._last_failure = str(error) != self._last_failure, str(error)
        return is_new

    def close(self) -> None:
        self.api.close()
