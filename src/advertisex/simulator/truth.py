"""The truth about a simulation: the exact results that the pipeline must produce."""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FeedTruth:
    """Counts of one feed's messages.

    `conflict` are the duplicates that differ from the stored event; they are included in `duplicate`. `rejected` and
    `filtered` list every applicable reason, even at 0.
    """

    read: int
    stored: int
    duplicate: int
    conflict: int
    rejected: dict[str, int]
    filtered: dict[str, int]


@dataclass(frozen=True, slots=True)
class AnalysisTruth:
    """Analysis results over the stored events.

    Attributes:
        counts: total impressions, clicks, conversions and bids.
        users: distinct users over all feeds.
        first_event: earliest event time, RFC 3339 with microseconds; None if nothing was stored.
        last_event: latest event time, likewise.
        clicks_feed_users: distinct users of the clicks feed.
        clicks_per_conversion: total clicks divided by total conversions; None without conversions.
        users_of: distinct users of impressions, clicks, conversions and bids.
        value: total conversion value by currency, less refunds; currencies without any are omitted.
        gross_value: the same without refunds.
        auctions_won: auctions whose bid and impression are both stored.
        bid_value_won: total amount of those bids, by currency.
        by_campaign: `counts` for each campaign with stored events.
    """

    counts: dict[str, int]
    users: int
    first_event: str | None
    last_event: str | None
    clicks_feed_users: int
    clicks_per_conversion: float | None
    users_of: dict[str, int]
    value: dict[str, float]
    gross_value: dict[str, float]
    auctions_won: int
    bid_value_won: dict[str, float]
    by_campaign: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth about a simulation: message counts by feed, and the expected analysis results."""

    seed: int
    feeds: dict[str, FeedTruth]
    analysis: AnalysisTruth

    @property
    def messages(self) -> int:
        """The number of messages over all feeds."""
        return sum(feed.read for feed in self.feeds.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON-serialisable data."""
        return asdict(self)

    def to_json(self) -> str:
        """As an indented JSON document."""
        return json.dumps(self.to_dict(), indent=2) + "\n"
