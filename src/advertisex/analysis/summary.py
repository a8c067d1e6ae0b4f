"""Summary: counts, users, campaigns, value and time range of the stored events, in total or by day."""

from dataclasses import dataclass
from typing import Any, get_args

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import ByDay, optional
from advertisex.analysis.calendar import period
from advertisex.analysis.money import GROSS, NET, by_currency, totals_by_currency
from advertisex.analysis.scan import categorical, scan_events
from advertisex.analysis.scope import Scope, check_scope
from advertisex.analysis.unknown import by_events, counted, unknown_facts, unknown_id, unknown_notes
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT
from advertisex.stores.contract import EventStore

#: Version 3 subtracts refunds from the value, and takes campaigns from the catalogue as of the time of the answer.
DEFINITION = "summary/3"

COUNTS = ("impressions", "clicks", "conversions", "bids")

_CODES = 2**32  # a day and a code are packed into one integer: day · 2³² + code
_CHARTS_BY_DAY = [
    Chart("days", "line", "day", ("impressions", "bids"), "Impressions and bids by day"),
    Chart("days", "line", "day", ("clicks", "conversions"), "Clicks and conversions by day"),
    Chart("days", "line", "day", ("users",), "Users by day"),
]
_ROWS = [
    pl.len().cast(pl.Int64).alias("rows"),
    pl.col("event_time").min().alias("first"),
    pl.col("event_time").max().alias("last"),
]


def summarise(store: EventStore, scope: Scope = Scope(), *, by: ByDay | None = None) -> Answer:
    """Summarise the events within the scope.

    Args:
        store: the event store.
        scope: selects the events.
        by: the breakdown; None gives totals only.

    Returns:
        Facts: counts (impressions and bids: rows; clicks and conversions: sums of those counts), users and campaigns
        (exact numbers over all feeds), value (of conversions, less refunds) and gross_value (of conversions) by
        currency (Decimal; "" for values without a currency), events (rows of all feeds), first_event and last_event
        (UTC); unknown_creatives and unknown_campaigns, each with ids and events (i64), if the catalogue lacks any.
        Tables `measures` (measure, count) and `values` (currency, value, gross_value). By day, instead, the table
        `days`: day (Date), impressions, clicks, conversions, bids, users, campaigns (i64),
        `value_CURRENCY` and `gross_value_CURRENCY` (Decimal). Days without events are left out.

    Raises:
        ConfigurationError: the scope is invalid, or the breakdown is unknown.
        AnalysisError: the scope contains no events.
    """
    scope, by = check_scope(scope, store), optional(by, get_args(ByDay), "by")
    read = _read(store, scope)
    if not read.feeds.height:
        raise AnalysisError("no events found", where=scope.text(), hint="widen the range, or process events first")
    facts = _facts(read)
    rows = dict(read.feeds.group_by("feed").agg(pl.col("rows").sum()).iter_rows())
    return Answer(
        question="summary",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, list(FEEDS)),
        computed_from={feed: rows.get(feed, 0) for feed in FEEDS},
        parameters={} if by is None else {"by": by},
        facts=facts,
        tables=_totals(facts) if by is None else [Table("days", "Summary by day", _days(read))],
        charts=[Chart("measures", "bar", "measure", ("count",), "Totals")] if by is None else _CHARTS_BY_DAY,
        notes=unknown_notes(store, read.unknown, scope.as_of),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """Aggregates of the stored events by day.

    Attributes:
        feeds: feed, day, `COUNTS`, rows, first and last (event time).
        users: distinct pairs of day and `number`, the code of a user.
        campaigns: distinct pairs of day and `number`, the code of a campaign.
        value: day, currency, value and gross_value (Decimal).
        unknown: what the catalogue does not know, see `unknown.counted`.
    """

    feeds: pl.DataFrame
    users: pl.DataFrame
    campaigns: pl.DataFrame
    value: pl.DataFrame
    unknown: pl.DataFrame


def _read(store: EventStore, scope: Scope) -> _Read:
    codes = {name: pl.Categories.random() for name in ("user_id", "campaign_id")}
    feeds, users, campaigns, unknown = [], [], [], []
    value = pl.DataFrame()
    for feed in FEEDS:
        own = [*map(pl.col, ("clicks", "conversions", "currency")), NET, GROSS] if feed == "clicks" else []
        own += [unknown_id(store, feed, scope.as_of).cast(pl.Categorical(pl.Categories.random()))]
        names = (categorical(name, categories) for name, categories in codes.items())
        rows = scan_events(store, feed, scope, *names, pl.col("event_time"), period("day", scope.zone), *own)
        counts = pl.col("clicks", "conversions").sum() if feed == "clicks" else pl.len().cast(pl.Int64).alias(feed)
        feeds.append(rows.group_by("day").agg(counts, *_ROWS).with_columns(feed=pl.lit(feed)))
        users.append(_pairs(rows, "user_id"))
        campaigns.append(_pairs(rows, "campaign_id"))
        unknown.append(counted(feed, rows["unknown"]))
        if feed == "clicks":
            value = rows.drop_nulls("value").select("day", "currency", "value", "gross_value")
    return _Read(
        pl.concat(feeds, how="diagonal"),
        _split_pairs(_unique(pl.concat(users))),
        _split_pairs(_unique(pl.concat(campaigns))),
        value,
        by_events(pl.concat(unknown)),
    )


def _facts(read: _Read) -> dict[str, Any]:
    return {
        "counts": read.feeds.select(pl.col(COUNTS).sum()).row(0, named=True),
        "users": read.users["number"].n_unique(),
        "campaigns": read.campaigns["number"].n_unique(),
        "value": totals_by_currency(read.value),
        "gross_value": totals_by_currency(read.value, "gross_value"),
        "events": int(read.feeds["rows"].sum()),
        "first_event": read.feeds["first"].min(),
        "last_event": read.feeds["last"].max(),
        **unknown_facts(read.unknown),
    }


def _totals(facts: dict[str, Any]) -> list[Table]:
    counts = facts["counts"] | {name: facts[name] for name in ("users", "campaigns", "events")}
    gross = facts["gross_value"]
    values = [(currency or None, amount, gross[currency]) for currency, amount in facts["value"].items()]
    measures = pl.DataFrame(list(counts.items()), {"measure": pl.String, "count": pl.Int64}, orient="row")
    money = pl.DataFrame(values, {"currency": pl.String, "value": AMOUNT, "gross_value": AMOUNT}, orient="row")
    return [Table("measures", "Totals", measures), Table("values", "Conversion value by currency", money)]


def _days(read: _Read) -> pl.DataFrame:
    days = read.feeds.group_by("day").agg(pl.col(COUNTS).sum()).sort("day")
    for added in (
        _distinct(read.users, "users"),
        _distinct(read.campaigns, "campaigns"),
        by_currency(read.value, ["day"]),
        by_currency(read.value, ["day"], "gross_value"),
    ):
        days = days.join(added, on="day", how="left", maintain_order="left")
    return days.with_columns(pl.col("users", "campaigns").fill_null(0))


def _pairs(rows: pl.DataFrame, name: str) -> pl.Series:
    """Distinct pairs of day and user or campaign, each packed into one integer to save memory."""
    code = pl.col(name).to_physical().cast(pl.Int64)
    return _unique(rows.select(pl.col("day").dt.epoch("d").cast(pl.Int64) * _CODES + code).to_series().drop_nulls())


def _unique(numbers: pl.Series) -> pl.Series:
    return numbers.sort().rle().struct.field("value")


def _split_pairs(pairs: pl.Series) -> pl.DataFrame:
    day = (pairs // _CODES).cast(pl.Int32).cast(pl.Date)
    return pl.DataFrame({"day": day, "number": pairs % _CODES})


def _distinct(pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    return pairs.group_by("day").agg(pl.len().cast(pl.Int64).alias(name))
