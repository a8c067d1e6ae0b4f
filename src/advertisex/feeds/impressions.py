"""Impressions: an ad was shown to a user on a website."""

import polars as pl

from advertisex.feeds.feed import DOMAIN, Feed, Field, Rule, TimeReading
from advertisex.feeds.rules import default_rules

FIELDS = (
    Field("user_id", "user", "user who saw the ad", required=True, is_id=True),
    Field("timestamp", "time", "time the ad was shown (UTC)", required=True, aliases=("event_timestamp",)),
    Field("website", "website", "site the ad was shown on: URL or host, as sent"),
    Field("app", "text", "app the ad was shown in: its bundle or store id", aliases=("bundle",), is_id=True),
    Field(
        "creative_id", "text", "creative shown", required=True,
        aliases=("ad_creative_id", "creative"), is_id=True,
    ),
    Field("auction_id", "text", "auction that was won for the impression", is_id=True),
    Field("placement", "text", "place on the page or in the app", is_id=True),
    Field("cost", "amount", "price paid for the impression"),
    Field(
        "clearing_price", "amount", "clearing price of the auction for 1,000 impressions, from a billing notice",
        aliases=("auction_price",),
    ),
    Field("currency", "currency", "currency of cost and price: ISO 4217 in upper case, else as sent", is_id=True),
    Field("user_agent", "text", "User-Agent of the browser", aliases=("ua",)),
)  # fmt: skip

_NOWHERE = Rule(
    "missing_field",
    "website",
    pl.all_horizontal(pl.col("website", "app").is_null()),
    "must be given if app is missing",
)


def impressions(times: TimeReading) -> Feed:
    """Return the impressions feed with the given timestamp settings."""
    return Feed(
        name="impressions",
        topic="ad_impressions",
        description="one row per ad shown",
        fields=FIELDS,
        rules=(*default_rules(FIELDS, times), _NOWHERE),
        identity=("user_id", "event_time", "website", "creative_id", "auction_id"),
        derived=DOMAIN,
        times=times,
    )
