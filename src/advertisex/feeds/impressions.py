"""Impressions: an ad was shown to a user on a website."""

from advertisex.feeds.feed import ENRICHED, Feed, Field, TimeReading
from advertisex.feeds.rules import default_rules

FIELDS = (
    Field("user_id", "user", "user who saw the ad", required=True, is_id=True),
    Field("timestamp", "time", "time the ad was shown (UTC)", required=True, aliases=("event_timestamp",)),
    Field("website", "website", "site the ad was shown on: URL or host, as sent", required=True),
    Field(
        "creative_id", "text", "creative shown", required=True,
        aliases=("ad_creative_id", "creative"), is_id=True,
    ),
    Field("auction_id", "text", "auction that was won for the impression", is_id=True),
    Field("user_agent", "text", "User-Agent of the browser", aliases=("ua",)),
)  # fmt: skip


def impressions(times: TimeReading) -> Feed:
    """Return the impressions feed with the given timestamp settings."""
    return Feed(
        name="impressions",
        topic="ad_impressions",
        description="one row per ad shown",
        fields=FIELDS,
        rules=default_rules(FIELDS, times),
        identity=("user_id", "event_time", "website", "creative_id"),
        derived=ENRICHED,
        times=times,
    )
