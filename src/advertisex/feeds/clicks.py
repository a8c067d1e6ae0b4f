"""Clicks and conversions: one row is a click, a conversion, or a count of both."""

import polars as pl

from advertisex.feeds.feed import Computed, Feed, Field, Rule, TimeReading
from advertisex.feeds.rules import NUMBER, default_rules
from advertisex.feeds.words import FALSE, TRUE

#: The `conversion_type` of a refund: it counts nothing, and its value is subtracted from the net value.
REFUND = "refund"

FIELDS = (
    Field("user_id", "user", "user who clicked or converted", required=True, is_id=True),
    Field("timestamp", "time", "time of the click or conversion (UTC)", required=True, aliases=("event_timestamp",)),
    Field("campaign_id", "text", "campaign id", required=True, aliases=("campaign",), is_id=True),
    Field(
        "conversion_type", "event_type", "'click', 'refund', or what the user did (signup, purchase, …)",
        aliases=("conversion", "event_type"), is_id=True,
    ),
    Field("clicks", "count", "number of clicks in this row"),
    Field("conversions", "count", "number of conversions in this row"),
    Field("value", "amount", "value of the conversion; not positive for a refund"),
    Field("currency", "currency", "currency of the value: ISO 4217 in upper case, else as sent", is_id=True),
    Field("transaction_id", "text", "id of the order", aliases=("order_id", "conversion_id"), is_id=True),
    Field(
        "click_id", "text", "id that the ad network gave to the click",
        aliases=("gclid", "fbclid", "msclkid", "ttclid", "dclid"), is_id=True,
    ),
    Field("app", "text", "app it happened in: its bundle or store id", aliases=("bundle",), is_id=True),
    Field("user_agent", "text", "User-Agent of the browser", aliases=("ua",)),
)  # fmt: skip


def _given_or(name: str, implied: pl.Expr) -> pl.Expr:
    """The given count, even if invalid; otherwise the count that the type implies."""
    given = pl.col(f"raw.{name}").is_not_null()
    return pl.when(given).then(name).otherwise(implied.fill_null(0)).cast(pl.Int64)


_TYPE = pl.col("conversion_type").str.to_lowercase()
#: A flag column: the row is a click that did or did not convert.
_CONVERTED = _TYPE.is_in(TRUE)
_CLICK = _TYPE.is_in((*FALSE, "click", "clicks"))
_REFUND = _TYPE == REFUND
#: A row counts clicks and conversions by its type or flag, unless explicit counts override them.
_COMPUTED = (
    Computed("clicks", _given_or("clicks", pl.when(_CLICK | _CONVERTED).then(1).when(_TYPE.is_not_null()).then(0))),
    Computed(
        "conversions", _given_or("conversions", pl.when(_CLICK | _REFUND).then(0).when(_TYPE.is_not_null()).then(1))
    ),
    Computed(
        "conversion_type",
        pl.when(_CLICK)
        .then(pl.lit("click"))
        .when(_CONVERTED)
        .then(pl.lit("conversion"))
        .when(_REFUND)
        .then(pl.lit(REFUND))
        .otherwise("conversion_type"),
    ),
)

_NOTHING_COUNTED = Rule(
    "missing_field",
    "conversion_type",
    pl.all_horizontal(pl.col("conversion_type", "raw.clicks", "raw.conversions").is_null()),
    "must be given if clicks and conversions are missing",
)

_OTHER_NUMBER = Rule(
    "bad_conversion_type",
    "conversion_type",
    pl.col("conversion_type").str.contains(NUMBER),
    "must name what happened, or be a flag (0 or 1): map a column of numbers with --map COLUMN=conversions",
)
_OTHER_FEED = Rule(
    "other_feed",
    "conversion_type",
    pl.col("conversion_type").str.to_lowercase().is_in(("impression", "impressions", "view", "views", "bid", "bids")),
    "must be a click or what followed it: impressions and bids have feeds of their own",
)

_IS_REFUND = pl.col("conversion_type") == REFUND
_BAD_REFUNDS = (
    Rule(
        "bad_refund",
        "value",
        _IS_REFUND & (pl.col("value").fill_null(1) > 0),
        "must be given and not positive in a refund",
    ),
    *(
        Rule("bad_refund", name, _IS_REFUND & (pl.col(name) != 0), "must be 0 or missing in a refund")
        for name in ("clicks", "conversions")
    ),
)


def clicks(times: TimeReading) -> Feed:
    """Return the clicks and conversions feed with the given timestamp settings."""
    return Feed(
        name="clicks",
        topic="clicks_conversions",
        description="one row per click, conversion, or count of both",
        fields=FIELDS,
        rules=(
            *default_rules(FIELDS, times, {"value": _IS_REFUND}),
            _NOTHING_COUNTED,
            _OTHER_NUMBER,
            _OTHER_FEED,
            *_BAD_REFUNDS,
        ),
        identity=(
            "user_id",
            "event_time",
            "campaign_id",
            "conversion_type",
            "clicks",
            "conversions",
            "value",
            "currency",
            "transaction_id",
            "click_id",
        ),
        computed=_COMPUTED,
        times=times,
    )
