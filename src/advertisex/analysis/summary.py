"""Summary: counts, users, campaigns, value and time range of the stored events, in total or by day."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.money import MONEY, by_currency, micros, totals_by_currency
from advertisex.analysis.scan import DAY, categorical, scan_events
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

#: Version 2 sums values exactly and counts only those of conversions.
DEFINITION = "summary/2"

COUNTS = ("impressions", "clicks", "conversions", "bids")

_CODES = 2**32  # a day and a code are packed into one integer: day · 2³² + code
_ROWS = [
    pl.len().cast(pl.Int64).alias("rows"),
    pl.col("event_time").min().alias("first"),
    pl.col("event_time").max().alias("last"),
]


@dataclass(frozen=True, slots=True)
class Summary:
    """Result of the summary question.

    Attributes:
        scope: the events that the question is about.
        counts: impressions and bids (rows), clicks and conversions (sums of those counts).
        users: exact number of distinct users over all feeds.
        campaigns: exact number of distinct campaigns over all feeds.
        value: exact sum of the value of conversions by currency ("" for values without one).
        events: number of events of all feeds.
        first_event: earliest event time, UTC.
        last_event: latest event time, UTC.
        horizons: event time up to which each feed is complete, see `answer.horizons`.
        computed_from: number of rows read, by feed.
    """

    scope: Scope
    counts: dict[str, int]
    users: int
    campaigns: int
    value: dict[str, Decimal]
    events: int
    first_event: datetime
    last_event: datetime
    horizons: dict[str, datetime | None]
    computed_from: dict[str, int]

    def answer(self) -> Answer:
        """Return the result as an `Answer`, with tables and charts."""
        return Answer(
            question="summary",
            definition=DEFINITION,
            scope=self.scope,
            horizons=self.horizons,
            computed_from=self.computed_from,
            facts={
                "counts": self.counts,
                "users": self.users,
                "campaigns": self.campaigns,
                "value": self.value,
                "events": self.events,
                "first_event": self.first_event,
                "last_event": self.last_event,
            },
            tables=[
                Table("measures", "Totals", self._measures()),
                Table("values", "Conversion value by currency", _values(self.value)),
            ],
            charts=[Chart("measures", "bar", "measure", ("count",), "Totals")],
        )

    def _measures(self) -> pl.DataFrame:
        counts = self.counts | {"users": self.users, "campaigns": self.campaigns, "events": self.events}
        return pl.DataFrame(list(counts.items()), {"measure": pl.String, "count": pl.Int64}, orient="row")

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as one JSON document."""
        return self.answer().to_dict()


def summarise(store: EventStore, scope: Scope) -> Summary:
    """Summarise the events within the scope.

    Raises:
        AnalysisError: the scope contains no events.
    """
    return _summary(store, scope, _read(store, scope))


def summarise_by_day(store: EventStore, scope: Scope) -> Answer:
    """Summarise the events within the scope, day by day.

    Returns:
        The facts of `summarise`, and the table `days`: day (Datetime, start of the UTC day), impressions, clicks,
        conversions, bids, users, campaigns (i64) and `value_CURRENCY` (Decimal). Days without events are left out.

    Raises:
        AnalysisError: the scope contains no events.
    """
    read = _read(store, scope)
    days = read.feeds.group_by("day").agg(pl.col(COUNTS).sum()).sort("day")
    for added in (
        _distinct(read.users, "users"),
        _distinct(read.campaigns, "campaigns"),
        by_currency(read.value, ["day"]),
    ):
        days = days.join(added, on="day", how="left", maintain_order="left")
    return replace(
        _summary(store, scope, read).answer(),
        parameters={"by": "day"},
        tables=[Table("days", "Summary by day", days.with_columns(pl.col("users", "campaigns").fill_null(0)))],
        charts=[
            Chart("days", "line", "day", ("impressions", "bids"), "Impressions and bids by day"),
            Chart("days", "line", "day", ("clicks", "conversions"), "Clicks and conversions by day"),
            Chart("days", "line", "day", ("users",), "Users by day"),
        ],
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """Aggregates of the stored events by day.

    Attributes:
        feeds: feed, day, `COUNTS`, rows, first and last (event time).
        users: distinct pairs of day and `number`, the code of a user.
        campaigns: distinct pairs of day and `number`, the code of a campaign.
        value: day, currency, and value in millionths.
    """

    feeds: pl.DataFrame
    users: pl.DataFrame
    campaigns: pl.DataFrame
    value: pl.DataFrame


def _read(store: EventStore, scope: Scope) -> _Read:
    codes = {name: pl.Categories.random() for name in ("user_id", "campaign_id")}
    feeds, users, campaigns = [], [], []
    value = pl.DataFrame()
    for feed in FEEDS:
        own = [*map(pl.col, ("clicks", "conversions", "value", "currency"))] if feed == "clicks" else []
        names = (categorical(name, categories) for name, categories in codes.items())
        rows = scan_events(store, feed, scope, *names, pl.col("event_time"), DAY, *own)
        counts = pl.col("clicks", "conversions").sum() if feed == "clicks" else pl.len().cast(pl.Int64).alias(feed)
        feeds.append(rows.group_by("day").agg(counts, *_ROWS).with_columns(feed=pl.lit(feed)))
        users.append(_pairs(rows, "user_id"))
        campaigns.append(_pairs(rows, "campaign_id"))
        if feed == "clicks":
            value = rows.filter(pl.col("conversions") > 0).select("day", "currency", value=micros("value"))
    return _Read(
        pl.concat(feeds, how="diagonal"),
        _split_pairs(_unique(pl.concat(users))),
        _split_pairs(_unique(pl.concat(campaigns))),
        value,
    )


def _summary(store: EventStore, scope: Scope, read: _Read) -> Summary:
    if not read.feeds.height:
        raise AnalysisError("no events found", where=scope.text(), hint="widen the range, or process events first")
    rows = dict(read.feeds.group_by("feed").agg(pl.col("rows").sum()).iter_rows())
    counts, first, last = read.feeds.select(pl.col(COUNTS).sum()), read.feeds["first"].min(), read.feeds["last"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return Summary(
        scope=scope,
        counts=counts.row(0, named=True),
        users=read.users["number"].n_unique(),
        campaigns=read.campaigns["number"].n_unique(),
        value=totals_by_currency(read.value),
        events=sum(rows.values()),
        first_event=first,
        last_event=last,
        horizons=horizons(store, scope, list(FEEDS)),
        computed_from={feed: rows.get(feed, 0) for feed in FEEDS},
    )


def _values(value: dict[str, Decimal]) -> pl.DataFrame:
    rows = [(currency or None, amount) for currency, amount in value.items()]
    return pl.DataFrame(rows, {"currency": pl.String, "value": pl.Decimal(38, MONEY)}, orient="row")


def _pairs(rows: pl.DataFrame, name: str) -> pl.Series:
    """Distinct pairs of day and user or campaign, each packed into one integer to save memory."""
    code = pl.col(name).to_physical().cast(pl.Int64)
    return _unique(rows.select(pl.col("day").dt.epoch("d").cast(pl.Int64) * _CODES + code).to_series().drop_nulls())


def _unique(numbers: pl.Series) -> pl.Series:
    return numbers.sort().rle().struct.field("value")


def _split_pairs(pairs: pl.Series) -> pl.DataFrame:
    day = (pairs // _CODES).cast(pl.Int32).cast(pl.Date).cast(pl.Datetime("us"))
    return pl.DataFrame({"day": day, "number": pairs % _CODES})


def _distinct(pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    return pairs.group_by("day").agg(pl.len().cast(pl.Int64).alias(name))
