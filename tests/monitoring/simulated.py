"""Simulated time on a real store: messages of each bucket go through the real pipeline, and are committed then."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from advertisex.batches import Batch, Span
from advertisex.feeds import FEEDS
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.duckdb import DuckdbStore

START = datetime(2026, 3, 2)
HOUR = timedelta(hours=1)
CATALOGUE = Catalogue(
    pl.DataFrame({"creative_id": ["c0", "c1"], "campaign_id": ["k0", "k1"], "advertiser_id": ["a", "a"]})
)


@dataclass(frozen=True)
class Traffic:
    """What comes in an hour, at the mean of a day; an incident is another traffic."""

    rate: dict[str, float] = field(default_factory=lambda: {"impressions": 150.0, "clicks": 60.0, "bids": 100.0})
    converting: float = 0.2
    rejects: float = 0.01
    duplicates: float = 0.02
    delay: float = 5.0  # seconds from event to log
    only: str | None = None  # the feed whose rejects, duplicates and delay these are; None: all

    def of(self, feed: str) -> "Traffic":
        return self if self.only in {None, feed} else Traffic(self.rate)


class World:
    """A store, and the clock that its commits are stamped by."""

    def __init__(self, path: Path, seed: int, now: datetime = START) -> None:
        self.now = now
        self.store = DuckdbStore(path, clock=lambda: self.now)
        self._rng = np.random.default_rng(seed)
        self._ends = {p.topic: end for p, end in self.store.positions().items()}
        self._users = int((now - START).total_seconds()) * 1000
        self._last: dict[str, list[bytes]] = {}

    def play(
        self, hours: int, traffic: Traffic = Traffic(), then: Callable[[datetime], None] = lambda now: None
    ) -> None:
        """Let so many hours pass; `then` is called half a minute after each."""
        for _ in range(hours):
            hour = self.now
            self.now = hour + HOUR - timedelta(seconds=1)
            for feed in FEEDS:
                self._commit(feed, hour, traffic.of(feed))
            self.now = hour + HOUR
            then(self.now + timedelta(seconds=40))

    def _commit(self, feed: str, hour: datetime, traffic: Traffic) -> None:
        season = 1 - 0.7 * np.cos(hour.hour / 24 * 2 * np.pi - 0.5)
        count = int(self._rng.poisson(traffic.rate[feed] * season * np.exp(self._rng.normal(0, 0.05))))
        if not count:
            return
        at = np.sort(self._rng.uniform(0, 3590, count))
        late = traffic.delay * self._rng.gamma(8, 1 / 8, count)
        kind = self._rng.uniform(size=count)
        messages: list[bytes] = []
        before = self._last.get(feed, [])
        for place in range(count):
            if kind[place] < traffic.rejects:
                messages.append(b'{"user_id": "u"}')
            elif kind[place] > 1 - traffic.duplicates and before:
                messages.append(before[int(self._rng.integers(len(before)))])
            else:
                happened = hour.replace(tzinfo=UTC) + timedelta(seconds=float(at[place] - late[place]))
                messages.append(self._message(feed, happened, traffic, place))
        self._last[feed] = messages[-200:]
        start = self._ends.get(FEEDS[feed].topic, 0)
        span = Span(FEEDS[feed].topic, 0, start, start + count)
        self._ends[FEEDS[feed].topic] = start + count
        first = int(hour.replace(tzinfo=UTC).timestamp() * 1e6)
        batch = Batch(span, range(start, start + count), messages, [first + int(s * 1e6) for s in at])
        self.store.commit(process(batch, FEEDS[feed], Policy(), CATALOGUE))

    def _message(self, feed: str, happened: datetime, traffic: Traffic, place: int) -> bytes:
        self._users += 1
        event = {"user_id": f"u{self._users}", "timestamp": happened.isoformat()}
        own = {
            "impressions": {"website": "https://a.example.com/", "creative_id": f"c{place % 2}"},
            "clicks": {
                "campaign_id": f"k{place % 2}",
                "conversion": "1" if self._rng.uniform() < traffic.converting else "0",
            },
            "bids": {"amount": 1.5, "auction_id": f"a{self._users}"},
        }
        return json.dumps(event | own[feed]).encode()


def without(traffic: Traffic, feed: str, part: float = 1.0) -> Traffic:
    return replace(traffic, rate=traffic.rate | {feed: traffic.rate[feed] * (1 - part)})
