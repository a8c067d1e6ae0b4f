"""Bids: what was bid, how much of it was won, and what that cost, where auctions can be joined to impressions.

Which bid won an auction is told by its impressions, see `auctions`. A bid without an auction_id can be neither won nor
lost, and is in no rate.

    win rate  won bids / bids with an auction_id, with its 95 % Wilson score interval
    spend     sum of the amounts of the bids that won: what was bid is what is paid, as in first-price auctions
    ecpm      1000 × spend / won bids, of the bids that name an amount in that currency

A quantile is the smallest amount that at least that share of the bids does not exceed: definition 1 of R. J. Hyndman
and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996) 361-365. So it is always an
amount that was bid, and exact.
"""

import polars as pl
import polars.selectors as cs

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.auctions import AUCTION_WINDOW, HAS_AUCTION, evaluated
from advertisex.analysis.buckets import HOUR
from advertisex.analysis.exact import MONEY, by_currency, decimals, micros, total, totals_by_currency
from advertisex.analysis.intervals import CONFIDENCE, rate
from advertisex.analysis.lean import coded, scan_events
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

DEFINITION = "bids/2"

_QUANTILES = {"min": 0, "p25": 25, "median": 50, "p75": 75, "p95": 95, "max": 100}
_COUNTS = [
    pl.len().cast(pl.Int64).alias("requests"),
    pl.col("user_id").n_unique().cast(pl.Int64).alias("users"),
    pl.col("with_auction").sum().cast(pl.Int64),
    pl.col("won").sum().cast(pl.Int64),
]
_WIN_RATE = rate("won", "with_auction", "win_rate")


def bids(store: EventStore, scope: Scope) -> Answer:
    """Describe the bids within the scope.

    Returns:
        Facts: requests, users (distinct), with_auction, won (i64), win_rate with `_low` and `_high` (f64 or None),
        spend by currency (Decimal), and impressions and impressions_without_auction of the scope itself (i64).
        Table `creatives`: creative_id (null where a bid names none), requests, users, with_auction, won, win_rate with
        its interval, `amount_CURRENCY` (sum of what was bid) and `spend_CURRENCY` (Decimal). Table `hours`: hour
        (Datetime), and the same. Table `amounts`, of the bids that name an amount: currency, bids, min, p25, median,
        p75, p95, max, sum (Decimal), mean (f64), won, spend (Decimal), ecpm (f64 or None).

    Raises:
        AnalysisError: no bid is stored there.
    """
    made = _made(store, scope)
    if not made.height:
        raise AnalysisError(
            "no bid is stored there", where=scope.text(), hint="widen the range, or ingest and process bids first"
        )
    names_auction = scan_events(store, "impressions", scope, HAS_AUCTION)["auction_id"]
    return Answer(
        question="bids",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["bids", "impressions"]),
        computed_from={"bids": made.height, "impressions": len(names_auction)},
        parameters={
            "price": "first",
            "auction_window_seconds": AUCTION_WINDOW.total_seconds(),
            "confidence": CONFIDENCE,
        },
        facts=made.select(_COUNTS).with_columns(_WIN_RATE).row(0, named=True)
        | {
            "spend": totals_by_currency(_money(made, "spend"), "spend"),
            "impressions": len(names_auction),
            "impressions_without_auction": int((~names_auction).sum()),
        },
        tables=[
            Table("creatives", "Bids by creative", _parted(made, "creative_id")),
            Table("hours", "Bids by hour", _parted(made.with_columns(HOUR), "hour")),
            Table("amounts", "Amounts bid", _amounts(made)),
        ],
        charts=[
            Chart("creatives", "bar", "creative_id", ("requests", "won"), "Bids made and won, by creative"),
            Chart("hours", "line", "hour", ("requests", "won"), "Bids made and won, by hour"),
            Chart("hours", "line", "hour", ("win_rate",), "Win rate by hour"),
            Chart("amounts", "bar", "currency", ("p25", "median", "p75", "p95"), "Amounts bid"),
        ],
    )


def _made(store: EventStore, scope: Scope) -> pl.DataFrame:
    """The bids: user_id, event_time, creative_id, currency, amount and spend in millionths, with_auction, won."""
    texts = (coded(column, pl.Categories.random()) for column in ("user_id", "currency"))
    made = evaluated(store, scope, *texts, micros("amount"))
    spend, with_auction = pl.when("won").then("amount"), pl.col("auction").is_not_null()
    return made.with_columns(spend=spend, with_auction=with_auction).drop("event_id", "auction")


def _parted(made: pl.DataFrame, key: str) -> pl.DataFrame:
    """The counts, rates and sums of money of each key."""
    parted = _as_text(made.group_by(key).agg(_COUNTS)).sort(key, nulls_last=True).with_columns(_WIN_RATE)
    for amount in ("amount", "spend"):
        sums = by_currency(_money(made, amount, key), [key], amount)
        parted = parted.join(sums, on=key, how="left", nulls_equal=True, maintain_order="left")
    return parted


def _money(made: pl.DataFrame, amount: str, *keys: str) -> pl.DataFrame:
    """The sums of an amount, by currency and key, where there is any."""
    return _as_text(made.drop_nulls(amount).group_by(*keys, "currency").agg(total(amount)))


def _amounts(made: pl.DataFrame) -> pl.DataFrame:
    """How amounts are distributed, by currency."""
    amount, count = pl.col("amount"), pl.len().cast(pl.Int64)
    # the smallest amount that p % of the bids do not exceed is at place ⌈p n / 100⌉, counted from 1
    places = {name: ((count * p + 99) // 100).clip(lower_bound=1) - 1 for name, p in _QUANTILES.items()}
    found = (
        made.drop_nulls("amount")
        .sort("amount")
        .group_by("currency")
        .agg(
            count.alias("bids"),
            *(amount.get(place).alias(name) for name, place in places.items()),
            total("amount").alias("sum"),
            pl.col("won").sum().cast(pl.Int64),
            total("spend").alias("spend"),
        )
    )
    found = _as_text(found).sort("currency")
    money = [decimals(found[name], MONEY) for name in (*_QUANTILES, "sum", "spend")]
    mean, cost = _each(found, "sum", "bids"), _each(found, "spend", "won") * 1000
    return found.with_columns(*money, mean=mean, ecpm=cost).select(
        "currency", "bids", *_QUANTILES, "sum", "mean", "won", "spend", "ecpm"
    )


def _each(found: pl.DataFrame, amount: str, count: str) -> pl.Series:
    """An exact sum of millionths by its count: divided last, so rounded once."""
    pairs = found.select(amount, count).iter_rows()
    return pl.Series([total / (number * 10**MONEY) if number else None for total, number in pairs], dtype=pl.Float64)


def _as_text(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(cs.categorical().cast(pl.String))
