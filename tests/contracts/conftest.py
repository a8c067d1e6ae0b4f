"""Real outcomes for the store contracts, processed from messages by the pipeline."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from advertisex.feeds import FEEDS
from advertisex.model import Batch, Outcome, Span
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy

INGESTED = 1_790_000_000_000_000  # 2026-09-21

GOOD: dict[str, dict[str, Any]] = {
    "impressions": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "website": "https://a.example.com/x", "creative_id": "c1",
    },
    "clicks": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click",
    },
    "bids": {"user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "amount": 1.25, "auction_id": "a1"},
}  # fmt: skip

OutcomeOf = Callable[..., Outcome]


@pytest.fixture
def outcome_of() -> OutcomeOf:
    """outcome_of(feed, *messages, start=0): a message is bytes, or the fields that differ from a valid one."""

    def make(feed: str, *messages: bytes | dict[str, Any], start: int = 0, partition: int = 0) -> Outcome:
        payloads = [m if isinstance(m, bytes) else json.dumps(GOOD[feed] | m).encode() for m in messages]
        end = start + len(payloads)
        span = Span(FEEDS[feed].topic, partition, start, end)
        batch = Batch(span, range(start, end), payloads, [INGESTED + offset for offset in range(start, end)])
        return process(batch, FEEDS[feed], Policy(), Catalogue())

    return make
