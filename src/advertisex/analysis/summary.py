"""Summary: how much is stored, of whom, and from when to when; over all, or day by day."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.buckets import DAY
from advertisex.analysis.exact import MONEY, by_currency, micros, totals_by_currency
from advertisex.analysis.lean import coded, scan_events
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

#: Version 2 adds the values up exactly, and takes only those of conversions.
DEFINITION = "summary/2"

COUNTS = ("impressions", "clicks", "conversions", "bids")

_CODES = 2**32  # a day and a code are held as one number: day · 2³² + code
_ROWS = [
    pl.len().cast(pl.Int64).alias("rows"),
    pl.col("event_time").min().alias("first"),
    pl.col("event_time").max().alias("last"),
]


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer.

    Attributes:
        scope: what was asked about.
        counts: impressions and bids (rows), clicks and conversions (sums of those counts).
        users: distinct users over all feeds, exact.
        campaigns: distinct campaigns over all feeds, exact.
        value: sum of the conversions' value by currency ("" where none is given), exact.
        events: rows that this was computed from.
        first_event: earliest event time, UTC.
        last_event: latest event time, UTC.
        horizons: the event time up to which each feed is complete, see `answer.horizons`.
        computed_from: rows by feed.
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
        """The same as every question answers."""
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
                Table("measures", "What is stored", self._measures()),
                Table("values", "Value of the conversions", _values(self.value)),
            ],
            charts=[Chart("measures", "bar", "measure", ("count",), "What is stored")],
        )

    def _measures(self) -> pl.DataFrame:
        counts = self.counts | {"users": self.users, "campaigns": self.campaigns, "events": self.events}
        return pl.DataFrame(list(counts.items()), {"measure": pl.String, "count": pl.Int64}, orient="row")

    def to_dict(self) -> dict[str, Any]:
        """The answer as one JSON document."""
        return self.answer().to_dict()


def summarise(store: EventStore, scope: Scope) -> Summary:
    """Count what is stored within the scope.

    Raises:
        AnalysisError: nothing is.
    """
    return _summary(store, scope, _read(store, scope))


def summarise_by_day(store: EventStore, scope: Scope) -> Answer:
    """Count what is stored within the scope, day by day.

    Returns:
        The facts of `summarise`, and the table `days`: day (Datetime, its beginning in UTC), impressions, clicks,
        conversions, bids, users, campaigns (i64) and `value_CURRENCY` (Decimal). Days without an event are left out.

    Raises:
        AnalysisError: nothing is stored there.
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
    """What is stored, by day.

    Attributes:
        feeds: feed, day, `COUNTS`, rows, first and last (event time).
        users: distinct pairs of day and `number`, which stands for a user.
        campaigns: the same for campaigns.
        value: day, currency, value in millionths.
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
        names = (coded(name, categories) for name, categories in codes.items())
        rows = scan_events(store, feed, scope, *names, pl.col("event_time"), DAY, *own)
        counts = pl.col("clicks", "conversions").sum() if feed == "clicks" else pl.len().cast(pl.Int64).alias(feed)
        feeds.append(rows.group_by("day").agg(counts, *_ROWS).with_columns(feed=pl.lit(feed)))
        users.append(_pairs(rows, "user_id"))
        campaigns.append(_pairs(rows, "campaign_id"))
        if feed == "clicks":
            value = rows.filter(pl.col("conversions") > 0).select("day", "currency", value=micros("value"))
    return _Read(
        pl.concat(feeds, how="diagonal"),
        _unpaired(_sole(pl.concat(users))),
        _unpaired(_sole(pl.concat(campaigns))),
        value,
    )


def _summary(store: EventStore, scope: Scope, read: _Read) -> Summary:
    if not read.feeds.height:
        raise AnalysisError(
            "no event is stored there", where=scope.text(), hint="widen the range, or process some first"
        )
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
    """The distinct pairs of day and user or campaign, each as one number: millions of them take little so."""
    code = pl.col(name).to_physical().cast(pl.Int64)
    return _sole(rows.select(pl.col("day").dt.epoch("d").cast(pl.Int64) * _CODES + code).to_series().drop_nulls())


def _sole(numbers: pl.Series) -> pl.Series:
    return numbers.sort().rle().struct.field("value")


def _unpaired(pairs: pl.Series) -> pl.DataFrame:
    day = (pairs // _CODES).cast(pl.Int32).cast(pl.Date).cast(pl.Datetime("us"))
    return pl.DataFrame({"day": day, "number": pairs % _CODES})


def _distinct(pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    return pairs.group_by("day").agg(pl.len().cast(pl.Int64).alias(name))
