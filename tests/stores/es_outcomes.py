"""Messages and outcomes for the tests of the Elasticsearch store."""

import json
from dataclasses import replace
from typing import Any

import polars as pl

from advertisex.feeds import FEEDS
from advertisex.model import Batch, Outcome, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy

GOOD: dict[str, dict[str, Any]] = {
    "impressions": {"timestamp": "2026-01-05T10:00:00.123456Z", "website": "a.com", "creative_id": "c"},
    "clicks": {"timestamp": "2026-01-05T10:00:00.123456Z", "campaign_id": "k", "conversion_type": "click"},
    "bids": {"timestamp": "2026-01-05T10:00:00.123456Z", "amount": 0.1, "auction_id": "a"},
}


def message(feed: str, user: str, **fields: Any) -> bytes:
    return json.dumps(GOOD[feed] | {"user_id": user} | fields).encode()


def outcome(feed: str, *messages: bytes | str, start: int = 0, partition: int = 0) -> Outcome:
    """Process these messages; a string is the user of a valid message."""
    payloads = [m if isinstance(m, bytes) else message(feed, m) for m in messages]
    span = Span(FEEDS[feed].topic, partition, start, start + len(payloads))
    offsets = range(span.start, span.end)
    batch = Batch(span, offsets, payloads, [1_790_000_000_000_000 + offset for offset in offsets])
    return process(batch, FEEDS[feed], Policy())


def with_user(given: Outcome, row: int, user: str) -> Outcome:
    """Replace the user of an event by one that processing would have rejected."""
    users = given.events["user_id"].to_list()
    users[row] = user
    return replace(given, events=given.events.with_columns(pl.Series("user_id", users)))
