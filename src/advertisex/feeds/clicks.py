"""Clicks and conversions: one row is a click, a conversion, or a count of both."""

import polars as pl

from advertisex.feeds.feed import Feed, Field, Rule, TimeReading
from advertisex.feeds.rules import usual_rules

#: What a `conversion` column that is a flag may hold, in lower case: the row is a click that did or did not convert.
CONVERTED = ("1", "true", "yes", "1.0")
NOT_CONVERTED = ("0", "false", "no", "0.0")

FIELDS = (
    Field("user_id", "text", "who clicked or converted", required=True, is_id=True),
    Field("timestamp", "time", "when it happened (UTC)", required=True, aliases=("event_timestamp",)),
    Field("campaign_id", "text", "which campaign", required=True, aliases=("campaign",), is_id=True),
    Field(
        "conversion_type", "text", "'click', or what the user did (signup, purchase, …)",
        aliases=("conversion", "event_type"), is_id=True,
    ),
    Field("clicks", "count", "clicks that this row stands for"),
    Field("conversions", "count", "conversions that this row stands for"),
    Field("value", "amount", "what the conversion was worth"),
    Field("currency", "text", "currency of the value, as sent", is_id=True),
    Field("user_agent", "text", "the user's browser, as it names itself", aliases=("ua",)),
)  # fmt: skip

_NOTHING_COUNTED = Rule(
    "missing_field",
    "conversion_type",
    pl.all_horizontal(pl.col("conversion_type", "raw.clicks", "raw.conversions").fill_null("") == ""),
    "must be given where clicks and conversions are not",
)


def clicks(times: TimeReading) -> Feed:
    """The clicks and conversions feed, reading timestamps as `times` says."""
    return Feed(
        name="clicks",
        topic="clicks_conversions",
        says="one row for each click, conversion, or count of both",
        fields=FIELDS,
        rules=(*usual_rules(FIELDS, times), _NOTHING_COUNTED),
        identity=(
            "user_id",
            "event_time",
            "campaign_id",
            "conversion_type",
            "clicks",
            "conversions",
            "value",
        ),
        times=times,
    )
