"""Bids: an auction asked for a bid on behalf of a user."""

from typing import Any

import polars as pl

from advertisex.feeds.feed import Feed, Field, TimeReading
from advertisex.feeds.rules import usual_rules

#: The schema of our own messages. The timestamp may be text, so that a source's notation reaches processing as it was.
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
    Field("user_id", "text", "whom the ad would be shown to", required=True, is_id=True),
    Field("timestamp", "time", "when the auction was held (UTC)", required=True, aliases=("event_timestamp",)),
    Field(
        "creative_id", "text", "creative offered", aliases=("ad_creative_id", "creative"), is_id=True
    ),
    Field("auction_id", "text", "the auction's own id", is_id=True),
    Field("amount", "amount", "what was bid", aliases=("bid_amount",)),
    Field("currency", "text", "currency of the amount, as sent", is_id=True),
    Field("website", "text", "where the ad would be shown: URL or host, as sent"),
    Field("country", "text", "the user's country, as sent"),
    Field("device", "text", "the user's device, as sent"),
    Field("targeting", "text", "targeting, as one JSON object"),
)  # fmt: skip


def bids(times: TimeReading) -> Feed:
    """The bids feed, reading timestamps as `times` says."""
    return Feed(
        name="bids",
        topic="avro_data_topic",
        says="one row for each bid request",
        fields=FIELDS,
        rules=usual_rules(FIELDS, times),
        identity=("user_id", "event_time", "creative_id", "auction_id", "amount"),
        derived=(
            ("domain", pl.String(), "registered domain of the website, by the Public Suffix List"),
            ("campaign_id", pl.String(), "campaign of the creative, from the catalogue"),
            ("advertiser_id", pl.String(), "advertiser of the creative, from the catalogue"),
        ),
        avro_schema=AVRO_SCHEMA,
        times=times,
    )
