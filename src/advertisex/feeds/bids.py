"""Bids: bid requests, each an offer to show an ad to a user."""

from typing import Any

from advertisex.feeds.feed import DOMAIN, Feed, Field, TimeReading
from advertisex.feeds.rules import default_rules

#: Writer schema of our own messages. The timestamp may be text, so that processing can parse the source's notation.
AVRO_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "BidRequest",
    "namespace": "advertisex",
    "fields": [
        {
            "name": "user_info",
            "type": {
                "type": "record",
                "name": "UserInfo",
                "fields": [
                    {"name": "user_id", "type": "string"},
                    {"name": "country", "type": ["null", "string"], "default": None},
                    {"name": "device", "type": ["null", "string"], "default": None},
                ],
            },
        },
        {
            "name": "auction",
            "type": {
                "type": "record",
                "name": "Auction",
                "fields": [
                    {"name": "auction_id", "type": ["null", "string"], "default": None},
                    {
                        "name": "timestamp",
                        "type": [{"type": "long", "logicalType": "timestamp-micros"}, "string"],
                    },
                    {"name": "creative_id", "type": ["null", "string"], "default": None},
                    {"name": "amount", "type": ["null", "double"], "default": None},
                    {"name": "currency", "type": ["null", "string"], "default": None},
                    {"name": "website", "type": ["null", "string"], "default": None},
                ],
            },
        },
        {"name": "targeting", "type": {"type": "map", "values": "string"}, "default": {}},
    ],
}

FIELDS = (
    Field("user_id", "user", "user the ad would be shown to", required=True, is_id=True),
    Field("timestamp", "time", "time of the auction (UTC)", required=True, aliases=("event_timestamp",)),
    Field(
        "creative_id", "text", "creative offered", aliases=("ad_creative_id", "creative"), is_id=True
    ),
    Field("auction_id", "text", "auction id", is_id=True),
    Field("amount", "amount", "bid amount", aliases=("bid_amount",)),
    Field("price_paid", "amount", "price paid for a won auction"),
    Field("currency", "currency", "currency of amount and price: ISO 4217 in upper case, else as sent", is_id=True),
    Field("website", "website", "site the ad would be shown on: URL or host, as sent"),
    Field("app", "text", "app the ad would be shown in: its bundle or store id", aliases=("bundle",), is_id=True),
    Field("country", "text", "country of the user, as sent"),
    Field("device", "text", "device of the user, as sent"),
    Field("targeting", "json", "targeting, as one JSON object"),
    Field("test", "flag", "whether the request is only a test; not stored", stored=False),
)  # fmt: skip


def bids(times: TimeReading) -> Feed:
    """Return the bids feed with the given timestamp settings."""
    return Feed(
        name="bids",
        topic="avro_data_topic",
        description="one row per bid request",
        fields=FIELDS,
        rules=default_rules(FIELDS, times),
        identity=("user_id", "event_time", "creative_id", "auction_id", "amount", "currency"),
        derived=DOMAIN,
        wire="avro",
        avro_schema=AVRO_SCHEMA,
        times=times,
    )
