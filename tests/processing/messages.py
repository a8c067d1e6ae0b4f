"""Test messages for the stages: a valid one of each feed, and variations of it."""

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import fastavro
import polars as pl

from advertisex.codecs.avro_framing import frame
from advertisex.feeds import FEEDS, Feed
from advertisex.feeds.bids import AVRO_SCHEMA
from advertisex.model import Batch, Outcome, Span
from advertisex.processing.decode import decode
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.standardise import standardise

INGESTED = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z

GOOD: dict[str, dict[str, Any]] = {
    "impressions": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "website": "https://a.example.com/x", "creative_id": "c1",
    },
    "clicks": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click",
    },
    "bids": {
        "user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "creative_id": "c1", "auction_id": "a1", "amount": 1.25,
        "website": "a.example.com",
    },
}  # fmt: skip

OWN_SCHEMA = fastavro.parse_schema(AVRO_SCHEMA)


def batch_of(feed: Feed, payloads: Sequence[bytes], start: int = 0) -> Batch:
    end = start + len(payloads)
    return Batch(Span(feed.topic, 0, start, end), range(start, end), list(payloads), [INGESTED] * len(payloads))


def message(feed: str, /, **changes: Any) -> bytes:
    """A valid JSON message with some fields replaced; a field set to `...` is left out."""
    return json.dumps({name: value for name, value in (GOOD[feed] | changes).items() if value is not ...}).encode()


def written(feed: str, /, **tokens: str) -> bytes:
    """A valid JSON message with some fields replaced by raw JSON, which no encoder would write."""
    good = {name: json.dumps(value) for name, value in GOOD[feed].items()}
    return ("{" + ", ".join(f'"{name}": {token}' for name, token in (good | tokens).items()) + "}").encode()


def avro_datum(
    user: Any = "u1", timestamp: Any = "2026-01-05T10:00:00Z", targeting: Any = None, **auction: Any
) -> bytes:
    """A bid in our own Avro schema, without framing."""
    record = {
        "user_info": {"user_id": user, "country": "DE", "device": None},
        "auction": {
            "auction_id": "a1", "timestamp": timestamp, "creative_id": "c1", "amount": 1.25, "currency": "EUR",
            "website": "a.example.com",
        } | auction,
        "targeting": targeting or {},
    }  # fmt: skip
    body = BytesIO()
    fastavro.schemaless_writer(body, OWN_SCHEMA, record)
    return body.getvalue()


def avro_message(*args: Any, **fields: Any) -> bytes:
    """A bid as ingestion writes it: single-object encoding of our own schema."""
    return frame(avro_datum(*args, **fields))


def outcome_of(feed: Feed | str, *payloads: bytes, policy: Policy = Policy()) -> Outcome:
    feed = FEEDS[feed] if isinstance(feed, str) else feed
    return process(batch_of(feed, payloads), feed, policy)


def event_of(feed: Feed | str, payload: bytes, **how: Any) -> dict[str, Any]:
    """The single event of a valid message."""
    outcome = outcome_of(feed, payload, **how)
    assert outcome.rejects.rows(named=True) == []
    return outcome.events.row(0, named=True)


def reject_of(feed: Feed | str, payload: bytes, **how: Any) -> dict[str, Any]:
    """The single reject of an invalid message."""
    outcome = outcome_of(feed, payload, **how)
    assert outcome.events.rows(named=True) == []
    return outcome.rejects.row(0, named=True)


def standardised(feed: Feed | str, *payloads: bytes) -> pl.DataFrame:
    feed = FEEDS[feed] if isinstance(feed, str) else feed
    decoded, _ = decode(payloads, feed)
    return standardise(decoded, feed)
