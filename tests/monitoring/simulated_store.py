"""Simulated time on a real store: the messages of each bucket go through the real pipeline."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from advertisex.feeds import FEEDS
from advertisex.model import Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.duckdb.store import DuckdbStore
from tests.catalogues import catalogue_rows

START = datetime(2026, 3, 2)
BUCKET = timedelta(hours=3)
CATALOGUE = catalogue_rows({"creative_id": ["c0", "c1"], "campaign_id": ["k0", "k1"], "advertiser_id": ["a", "a"]})


@dataclass(frozen=True)
class Traffic:
    """Traffic per bucket, as daily means."""

    rate: dict[str, float] = field(default_factory=lambda: {"impressions": 250.0, "clicks": 150.0, "bids": 120.0})
    converting: float = 0.3
    rejects: float = 0.01
    duplicates: float = 0.02
    delay: float = 5.0  # seconds from event to log
    only: str | None = None  # the feed that rejects, duplicates and delay apply to; None for all

    def of(self, feed: str) -> "Traffic":
        return self if self.only in {None, feed} else Traffic(self.rate, self.converting)

    def with_rate(self, feed: str, times: float) -> "Traffic":
        return replace(self, rate=self.rate | {feed: self.rate[feed] * times})


class World:
    """A store with a simulated clock."""

    def __init__(self, path: Path, seed: int, now: datetime = START) -> None:
        self.now = now
        self.store = DuckdbStore(path, clock=lambda: self.now)
        if not self.store.catalogue_imports():
            self.store.import_catalogue(CATALOGUE)
        self._rng = np.random.default_rng(seed)
        self._ends = {p.topic: end for p, end in self.store.positions().items()}
        self._number = sum(self._ends.values())
        self._last: dict[str, list[bytes]] = {}

    def play(
        self, buckets: int, traffic: Traffic = Traffic(), then: Callable[[datetime], None] = lambda now: None
    ) -> None:
        """Simulate buckets, and call `then` 40 seconds after the end of each."""
        for _ in range(buckets):
            begin = self.now
            self.now = begin + BUCKET - timedelta(seconds=1)
            for feed in FEEDS:
                self._commit(feed, begin, traffic.of(feed))
            self.now = begin + BUCKET
            then(self.now + timedelta(seconds=40))

    def _commit(self, feed: str, begin: datetime, traffic: Traffic) -> None:
        season = 1 - 0.6 * np.cos(begin.hour / 24 * 2 * np.pi - 0.5)
        count = int(self._rng.poisson(traffic.rate[feed] * season * np.exp(self._rng.normal(0, 0.05))))
        if not count:
            return
        seconds = np.sort(self._rng.uniform(0, BUCKET.total_seconds() - 10, count))
        late = traffic.delay * self._rng.gamma(8, 1 / 8, count)
        kind = self._rng.uniform(size=count)
        earlier = self._last.get(feed, [])
        messages: list[bytes] = []
        for place in range(count):
            if kind[place] < traffic.rejects:
                messages.append(b'{"user_id": "u"}')
            elif kind[place] > 1 - traffic.duplicates and earlier:
                messages.append(earlier[int(self._rng.integers(len(earlier)))])
            else:
                happened = begin.replace(tzinfo=UTC) + timedelta(seconds=float(seconds[place] - late[place]))
                messages.append(self._message(feed, happened, traffic))
        self._last[feed] = messages[-200:]
        start = self._ends.get(FEEDS[feed].topic, 0)
        end = self._ends[FEEDS[feed].topic] = start + count
        first = int(begin.replace(tzinfo=UTC).timestamp() * 1e6)
        batch = Batch(
            Span(FEEDS[feed].topic, 0, start, end), range(start, end), messages, [first + int(s * 1e6) for s in seconds]
        )
        self.store.commit(process(batch, FEEDS[feed], Policy()))

    def _message(self, feed: str, happened: datetime, traffic: Traffic) -> bytes:
        self._number += 1
        event = {"user_id": f"u{self._number}", "timestamp": happened.isoformat()}
        converts = self._rng.uniform() < traffic.converting
        own = {
            "impressions": {"website": "https://a.example.com/", "creative_id": f"c{self._number % 2}"},
            "clicks": {"campaign_id": f"k{self._number % 2}", "conversion": "1" if converts else "0"},
            "bids": {"amount": 1.5, "auction_id": f"a{self._number}"},
        }
        return json.dumps(event | own[feed]).encode()
