"""Builds the data set of `bench.analysis`: a month of traffic in an embedded store, deterministic.

Skewed like real traffic: of a million users, the most active 1 % have a fifth of the events (the top user, like a bot,
has 36,000 of 5 million impressions); campaigns, sites and browsers follow power laws. Nearly all clicks follow an
impression and nearly all conversions a click. A fifth of the bids won an impression; the other impressions have no
bid. 1 % of the events are days late, and a few creatives are missing from the catalogue.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from advertisex.feeds import FEEDS
from advertisex.model import CAMPAIGN_COLUMNS, REJECT_COLUMNS, Batch, Outcome, Span
from advertisex.processing.identify import first_of_each, identify
from advertisex.simulator.diurnal import times_between
from advertisex.stores.duckdb.store import DuckdbStore

START = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1e6)
DAYS = 30
CAMPAIGNS, CREATIVES = 50, 500
#: Increment with every change of the data set, so that an existing store is not reused.
VERSION = 4
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_USERS, _USER_TAIL = 1_000_000, 2.8
_SITES, _PAGES = 200, 7
_UNKNOWN_CREATIVES = 3
_LATE_RATE, _STRAY_RATE = 0.01, 0.05
_REJECTS_PER_COMMIT = 300
_AGENTS = 300
_ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
_AGENT = (
    pl.when(pl.col("agent") == _AGENTS // 2)
    .then(pl.lit(_ROBOT))
    .otherwise(
        pl.format("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{}.0) Gecko/20100101 Firefox/{}.0", "agent", "agent")
    )
)


def build(path: Path, served_impressions: int, bids_rate: float = 0.2) -> None:
    """Fill a new store. Per impression there are 0.1 clicks, 0.01 conversions and so many bids.

    Each day's arrivals are one commit per feed, so that the store has a history.
    """
    random = np.random.default_rng(1)
    served = impressions(random, served_impressions)
    bids = _bids(random, served, round(served_impressions * bids_rate))
    clicked = _after(random, served, served_impressions // 10, seconds=20)
    converted = _after(random, clicked, served_impressions // 100, seconds=3_600)
    clicks = pl.concat([_clicks_feed(random, clicked, "click"), _clicks_feed(random, converted, "purchase")])
    feeds = {"impressions": served, "clicks": clicks, "bids": bids}
    starts = dict.fromkeys(feeds, 0)
    with DuckdbStore(path) as store:
        store.import_catalogue(_catalogue(), _flights(served_impressions))
        days = zip(*(_by_day_of_arrival(random, events) for events in feeds.values()), strict=True)
        for number, day in enumerate(days, 1):
            end = datetime(2026, 3, 1) + timedelta(days=number)
            for name, arrived in zip(feeds, day, strict=True):
                outcome = outcome_of(name, arrived, starts[name], end)
                store.commit(outcome)
                starts[name] = outcome.span.end


def _flights(impressions: int) -> pl.DataFrame:
    """A flight of each campaign, half as long again as the traffic; every other one has a budget and a CPM."""
    start = datetime(2026, 3, 1)
    own = {"start": start, "end": start + timedelta(days=DAYS * 3 // 2), "impressions": impressions // CAMPAIGNS}
    paid = own | {"budget": Decimal(1_000), "rate_type": "cpm", "rate": Decimal(3), "currency": "EUR"}
    rows = [{"campaign_id": f"cmp{number}", **(own if number % 2 else paid)} for number in range(CAMPAIGNS)]
    return pl.DataFrame(rows, schema=CAMPAIGN_COLUMNS).sort("campaign_id")


def _catalogue() -> pl.DataFrame:
    """The campaign and the advertiser of each creative, without the unknown ones."""
    creatives = pl.DataFrame({"creative": range(_UNKNOWN_CREATIVES, CREATIVES)})
    return creatives.select(
        creative_id=pl.format("cr{}", "creative"),
        campaign_id=pl.format("cmp{}", pl.col("creative") % CAMPAIGNS),
        advertiser_id=pl.format("adv{}", pl.col("creative") % CAMPAIGNS // 5),
        valid_from=pl.lit(None, pl.Datetime("us")),
    ).sort("creative_id")


def impressions(random: np.random.Generator, count: int) -> pl.DataFrame:
    """Impressions of the whole month, by time."""
    campaign = _power(random, CAMPAIGNS, 1.1, count)
    creative = campaign + CAMPAIGNS * random.integers(0, CREATIVES // CAMPAIGNS, count)
    known = pl.col("creative") >= _UNKNOWN_CREATIVES
    drawn = pl.DataFrame(
        {
            "event_time": times_between(START, START + DAYS * _DAY, np.sort(random.random(count))),
            "user": (random.random(count) ** _USER_TAIL * _USERS).astype(np.int64),
            "creative": creative,
            "campaign": campaign,
            "site": _power(random, _SITES, 1.05, count),
            "page": np.minimum(random.geometric(0.4, count), _PAGES),
            "agent": _power(random, _AGENTS, 1.0, count),
        }
    )
    return drawn.select(
        pl.col("event_time").cast(pl.Datetime("us")),
        user_id=pl.format("u{}", "user"),
        website=pl.format("https://www.site{}.example/page/{}", "site", "page"),
        creative_id=pl.format("cr{}", "creative"),
        auction_id=pl.format("a{}", pl.int_range(pl.len())),
        user_agent=_AGENT,
        domain=pl.format("site{}.example", "site"),
        campaign_id=pl.when(known).then(pl.format("cmp{}", "campaign")),
    )


def _bids(random: np.random.Generator, served: pl.DataFrame, count: int) -> pl.DataFrame:
    """Bids: a fifth of them won an impression, each of the others lost a separate auction."""
    won = _sample(random, served, count // 5).with_columns(pl.col("event_time") - pl.duration(milliseconds=300))
    lost = impressions(random, count - len(won)).with_columns(auction_id=pl.format("lost-{}", "auction_id"))
    return (
        pl.concat([won, lost])
        .drop("user_agent")
        .with_columns(
            _currency(random, count),
            amount=pl.Series(random.lognormal(0.2, 0.7, count)).cast(pl.Decimal(38, 4)),
            country=pl.lit("DE"),
            device=pl.lit("mobile"),
            targeting=pl.lit(None, pl.String),
        )
    )


def _after(random: np.random.Generator, causes: pl.DataFrame, count: int, seconds: float) -> pl.DataFrame:
    """Follow-up events of a sample of `causes`, `seconds` later on average; a few belong to a user without a cause."""
    sampled = _sample(random, causes.filter(pl.col("campaign_id").is_not_null()), count)
    delay = (random.exponential(seconds, count) * _SECOND).astype(np.int64)
    stray = pl.Series(random.random(count) < _STRAY_RATE)
    return sampled.with_columns(
        event_time=pl.col("event_time") + pl.Series(delay).cast(pl.Duration("us")),
        user_id=pl.when(stray).then(pl.format("stray-{}", "user_id")).otherwise("user_id"),
    )


def _clicks_feed(random: np.random.Generator, rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    converted = kind != "click"
    value = pl.Series(random.lognormal(3, 1, len(rows))).cast(pl.Decimal(38, 2))
    money = {"value": value, "currency": _currency(random, len(rows))}
    return rows.select(
        *("user_id", "event_time", "campaign_id", "user_agent"),
        conversion_type=pl.lit(kind),
        clicks=pl.lit(0 if converted else 1, pl.Int64),
        conversions=pl.lit(1 if converted else 0, pl.Int64),
        **{name: pl.when(pl.lit(converted)).then(drawn) for name, drawn in money.items()},
    )


def _by_day_of_arrival(random: np.random.Generator, events: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the events day by day in order of arrival, some of them days late."""
    count = len(events)
    delay = random.exponential(_SECOND, count)
    late = random.random(count) < _LATE_RATE
    delay[late] += random.exponential(2 * _DAY, int(late.sum()))
    sent = events.with_columns(
        ingested_at=pl.col("event_time") + pl.Series(delay.astype(np.int64)).cast(pl.Duration("us"))
    ).sort("ingested_at")
    day = (sent["ingested_at"].dt.timestamp("us") - START) // _DAY
    edges = [0, *day.search_sorted(pl.Series(range(1, DAYS + 1))), count]
    for first, last in pairwise(edges):
        yield sent[first:last]


def outcome_of(name: str, arrived: pl.DataFrame, start: int, end: datetime) -> Outcome:
    """A day's events as processing returns them, plus some undecodable messages; the day ends at `end`."""
    feed = FEEDS[name]
    offset = pl.int_range(start, start + len(arrived), dtype=pl.Int64, eager=True).alias("offset")
    absent = [pl.lit(None).alias(name) for name in feed.columns if name not in arrived.columns]
    columns = [pl.col(name).cast(dtype) for name, dtype in feed.columns.items()]
    carried = [pl.lit(value=True).alias(f"carried.{name}") for name in feed.carried]
    rows = arrived.with_columns(absent).select(*columns, "ingested_at", *carried)
    events, repeated = first_of_each(identify(rows.with_columns(offset), feed))
    read = len(arrived) + _REJECTS_PER_COMMIT
    rejects = pl.DataFrame(
        {
            "offset": range(start + len(arrived), start + read),
            "kind": "rejected",
            "stage": "decode",
            "reason": "undecodable",
            "detail": "not JSON",
            "payload": b"{",
            "ingested_at": end if arrived.is_empty() else arrived["ingested_at"].max(),
        },
        schema=REJECT_COLUMNS,
    )
    span = Span(feed.topic, 0, start, start + read)
    return Outcome(span, name, events, rejects, repeated, read, Batch(span, (), (), ()))


def _power(random: np.random.Generator, count: int, exponent: float, size: int) -> NDArray[np.int64]:
    """Draw `size` numbers from 0 to `count` - 1, with probabilities proportional to rank ** -exponent."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    indices = np.searchsorted(np.cumsum(weights / weights.sum()), random.random(size))
    return np.minimum(indices, count - 1)


def _sample(random: np.random.Generator, rows: pl.DataFrame, count: int) -> pl.DataFrame:
    return rows[np.sort(random.choice(len(rows), count, replace=False))]


def _currency(random: np.random.Generator, count: int) -> pl.Series:
    names = pl.Series("currency", ["EUR", "USD", "GBP"])
    return names.gather(_power(random, len(names), 1.0, count))
