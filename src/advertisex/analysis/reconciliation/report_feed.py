"""The columns of a partner's report, as a feed: every reader of sources can then read a report."""

import polars as pl

from advertisex.feeds import Feed, Field, Rule, TimeReading
from advertisex.feeds.rules import MAX_AMOUNT, bad_timestamp, missing, unread

_FIELDS = (
    Field("day", "time", "day, in the partner's time zone", required=True,
          aliases=("date", "report_date", "event_date", "datum", "tag", "time", "timestamp", "hour", "datetime")),
    Field("campaign_id", "text", "campaign id", required=True,
          aliases=("campaignid", "campaign", "campaign_code", "placement_id"), is_id=True),
    Field("impressions", "count", "impressions",
          aliases=("imps", "impr", "impr.", "impression", "ad_impressions", "total_impressions", "views")),
    Field("clicks", "count", "clicks", aliases=("click", "link_clicks", "total_clicks")),
    Field("conversions", "count", "conversions",
          aliases=("conversion", "conv", "conv.", "total_conversions", "actions", "orders")),
    Field("cost", "amount", "what was spent",
          aliases=("spend", "costs", "media_cost", "total_cost", "amount_spent", "spent")),
    Field("revenue", "amount", "what conversions earned",
          aliases=("conversion_value", "conv._value", "conv_value", "total_revenue", "value", "sales")),
    Field("currency", "currency", "currency of the money", aliases=("currency_code",), is_id=True),
)  # fmt: skip

#: The counts and the amounts of a report, in the order of every answer.
COUNTS = ("impressions", "clicks", "conversions")
MONEY = ("cost", "revenue")

#: Dates alone; other notations are given with --time-format, because 01/02 has two readings.
_DATES = TimeReading(formats=("%Y-%m-%d",))


def _rules() -> tuple[Rule, ...]:
    by_kind: dict[str, list[Rule]] = {"count": [], "amount": []}
    for one in _FIELDS:
        if one.kind in by_kind:
            negative = pl.col(one.name) < 0 if one.name != "revenue" else pl.lit(value=False)
            beyond = pl.col(one.name).abs() > MAX_AMOUNT
            by_kind[one.kind] += [
                *unread(one), Rule("out_of_range", one.name, negative | beyond, "must be 0 or more, up to 10^18"),
            ]  # fmt: skip
    required = [missing(one) for one in _FIELDS if one.required]
    return (*required, bad_timestamp(_FIELDS[0]), *by_kind["count"], *by_kind["amount"])


#: Not a feed of the pipeline: nothing is ingested under it.
REPORT = Feed(
    name="report",
    topic="report",
    description="one row of a partner's report",
    fields=_FIELDS,
    rules=_rules(),
    identity=(),
    times=_DATES,
)
