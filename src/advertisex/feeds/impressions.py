"""Impressions: an ad was shown to a user on a website."""

import polars as pl

from advertisex.feeds.feed import Feed, Field, TimeReading
from advertisex.feeds.rules import usual_rules

FIELDS = (
    Field("user_id", "text", "who saw the ad", required=True, is_id=True),
    Field("timestamp", "time", "when it was shown (UTC)", required=True, aliases=("event_timestamp",)),
    Field("website", "text", "where it was shown: URL or host, as sent", required=True),
    Field(
        "creative_id", "text", "which creative was shown", required=True,
        aliases=("ad_creative_id", "creative"), is_id=True,
    ),
    Field("auction_id", "text", "the auction that was won for it", is_id=True),
    Field("user_agent", "text", "the user's browser, as it names itself", aliases=("ua",)),
)  # fmt: skip


def impressions(times: TimeReading) -> Feed:
    """The impressions feed, reading timestamps as `times` says."""
    return Feed(
        name="impressions",
        topic="ad_impressions",
        says="one row for each ad that was shown",
        fields=FIELDS,
        rules=usual_rules(FIELDS, times),
        identity=("user_id", "event_time", "website", "creative_id"),
        derived=(
            ("domain", pl.String(), "registered domain of the website, by the Public Suffix List"),
            ("campaign_id", pl.String(), "campaign of the creative, from the catalogue"),
            ("advertiser_id", pl.String(), "advertiser of the creative, from the catalogue"),
        ),
        times=times,
    )
