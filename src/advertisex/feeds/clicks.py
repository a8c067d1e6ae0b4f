"""Clicks and conversions: one row is a click, a conversion, or a count of both."""

import polars as pl

from advertisex.feeds.feed import Feed, Field, Rule, TimeReading
from advertisex.feeds.rules import default_rules

#: Values, in lower case, of a `conversion` flag column: the row is a click that did or did not convert.
CONVERTED = ("1", "true", "yes", "1.0")
NOT_CONVERTED = ("0", "false", "no", "0.0")

FIELDS = (
    Field("user_id", "text", "user who clicked or converted", required=True, is_id=True),
    Field("timestamp", "time", "time of the click or conversion (UTC)", required=True, aliases=("event_timestamp",)),
    Field("campaign_id", "text", "campaign id", required=True, aliases=("campaign",), is_id=True),
    Field(
        "conversion_type", "text", "'click', or what the user did (signup, purchase, …)",
        aliases=("conversion", "event_type"), is_id=True,
    ),
    Field("clicks", "count", "number of clicks in this row"),
    Field("conversions", "count", "number of conversions in this row"),
    Field("value", "amount", "value of the conversion"),
    Field("currency", "text", "currency of the value, as sent", is_id=True),
    Field("user_agent", "text", "User-Agent of the browser", aliases=("ua",)),
)  # fmt: skip

_NOTHING_COUNTED = Rule(
    "missing_field",
    "conversion_type",
    pl.all_horizontal(pl.col("conversion_type", "raw.clicks", "raw.conversions").fill_null("") == ""),
    "must be given if clicks and conversions are missing",
)


def clicks(times: TimeReading) -> Feed:
    """Return the clicks and conversions feed with the given timestamp settings."""
    return Feed(
        name="clicks",
        topic="clicks_conversions",
        description="one row per click, conversion, or count of both",
        fields=FIELDS,
        rules=(*default_rules(FIELDS, times), _NOTHING_COUNTED),
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
