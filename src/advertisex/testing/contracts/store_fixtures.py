"""The fixtures of the store suites, and helpers that build outcomes and read stores."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import polars as pl
import pytest

from advertisex.feeds import FEEDS, Feed
from advertisex.model import EVENT_COLUMNS, REJECT_COLUMNS, Batch, Outcome, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore, Range, RejectQuery

EVERYTHING = Range()
ALL = RejectQuery()
INGESTED = 1_790_000_000_000_000  # 2026-09-21

VALID: dict[str, dict[str, Any]] = {
    "impressions": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "website": "https://a.example.com/x", "creative_id": "c1",
    },
    "clicks": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click",
    },
    "bids": {"user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "amount": 1.25, "auction_id": "a1"},
}  # fmt: skip


class OpenStore(Protocol):
    """Opens one store; every call opens the same one."""

    def __call__(self, *, read_only: bool = False) -> EventStore: ...


#: Prepares a new, empty store and returns the function that opens it.
NewStore = Callable[[], OpenStore]


class StoreFixtures:
    """Fixtures built on `new_store`, which the user of a suite defines.

    Attributes:
        durable: whether the store can be reopened after it was closed.
    """

    durable = True

    @pytest.fixture
    def open_store(self, new_store: NewStore) -> OpenStore:
        """Opens the store under test."""
        return new_store()

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[EventStore]:
        """The store under test, open for writing."""
        with open_store() as store:
            yield store

    @pytest.fixture
    def reopen_store(self, open_store: OpenStore) -> OpenStore:
        """Opens the store under test; for tests that do so more than once."""
        if not self.durable:
            pytest.skip("needs a store that can be reopened")
        return open_store


def message_of(feed: str, fields: dict[str, Any]) -> bytes:
    """A message of a feed, with the fields that differ from those of a valid one."""
    return json.dumps(VALID[feed] | fields).encode()


def outcome_of(feed: str | Feed, *messages: bytes | dict[str, Any], start: int = 0, partition: int = 0) -> Outcome:
    """The outcome of messages; each is bytes, or the fields that differ from those of a valid message."""
    configured = FEEDS[feed] if isinstance(feed, str) else feed
    payloads = [m if isinstance(m, bytes) else message_of(configured.name, m) for m in messages]
    end = start + len(payloads)
    span = Span(configured.topic, partition, start, end)
    batch = Batch(span, range(start, end), payloads, [INGESTED + offset for offset in range(start, end)])
    return process(batch, configured, Policy())


def events(store: EventStore, feed: str, within: Range = EVERYTHING) -> pl.DataFrame:
    """The stored events of a feed, ordered by offset."""
    schema = EVENT_COLUMNS | FEEDS[feed].columns | {"topic": pl.String(), "partition": pl.Int32()}
    frames = store.scan(feed, list(schema), within)
    return pl.concat([pl.DataFrame(schema=schema), *frames], how="vertical_relaxed").sort("offset")


def everything(store: EventStore) -> dict[str, Any]:
    """All contents of a store except processing times."""
    return {
        **{feed: events(store, feed).rows() for feed in FEEDS},
        "rejects": store.rejects(ALL).select("topic", "partition", "feed", *REJECT_COLUMNS).rows(),
        "ledger": store.ledger(),
    }
