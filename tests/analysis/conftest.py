"""A real store with known events in it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from advertisex.feeds import FEEDS
from advertisex.model import Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore

INGESTED = 1_790_000_000_000_000  # 2026-09-21

GOOD: dict[str, dict[str, Any]] = {
    "impressions": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "website": "a.example.com", "creative_id": "c1",
    },
    "clicks": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click",
    },
    "bids": {"user_id": "u1", "timestamp": "2026-01-05T10:00:00Z"},
}  # fmt: skip

Stored = Callable[..., EventStore]


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    """stored(feed=[changes, …], catalogue=…): a store with these events, each given as changes to a valid event."""
    with DuckdbStore(tmp_path / "store.duckdb") as store:

        def fill(catalogue: pl.DataFrame | None = None, **feeds: list[dict[str, Any]]) -> EventStore:
            if catalogue is not None:
                store.import_catalogue(catalogue)
            for name, changes in feeds.items():
                payloads = [json.dumps(GOOD[name] | changed).encode() for changed in changes]
                end = len(payloads)
                batch = Batch(Span(FEEDS[name].topic, 0, 0, end), range(end), payloads, [INGESTED] * end)
                outcome = process(batch, FEEDS[name], Policy())
                assert outcome.events.height == end, outcome.rejects.rows()
                store.commit(outcome)
            return store

        yield fill
