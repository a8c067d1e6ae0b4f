"""Bids: bid amounts, win rates and the value of the won bids, for auctions that can be joined to impressions.

The impressions of an auction determine which bid won, see `auctions`. A bid without an auction_id is neither won nor
lost, and counts in no rate.

    win rate       won bids / bids with an auction_id, with its 95 % Wilson score interval
    bid value won  sum of the amounts of the winning bids; it is the cost if the winner pays its bid, see `cost`
    ecpm           1000 × bid value won / won bids, over the bids with an amount in that currency

A quantile is the smallest amount that at least that fraction of the bids does not exceed: definition 1 of R. J. Hyndman
and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996) 361-365. So it is always the
exact amount of some bid.
"""

from fractions import Fraction

import polars as pl
import polars.selectors as cs

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.auctions import AUCTION_WINDOW, HAS_AUCTION, bids_with_wins
from advertisex.analysis.calendar import period
from advertisex.analysis.intervals import CONFIDENCE, rate
from advertisex.analysis.money import by_currency, check_sum, totals_by_currency
from advertisex.analysis.scan import categorical, scan_events
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError
from advertisex.stores.contract import EventStore

#: Version 4 calls the value of the won bids by that name; it was called spend.
DEFINITION = "bids/4"

_QUANTILES = {"min": 0, "p25": 25, "median": 50, "p75": 75, "p95": 95, "max": 100}
_COUNTS = [
    pl.len().cast(pl.Int64).alias("requests"),
    pl.col("user_id").n_unique().cast(pl.Int64).alias("users"),
    pl.col("with_auction").sum().cast(pl.Int64),
    pl.col("won").sum().cast(pl.Int64),
]
_WIN_RATE = rate("won", "with_auction", "win_rate")


def bids(store: EventStore, scope: Scope = Scope()) -> Answer:
    """Describe the bids within the scope.

    Returns:
        Facts: requests, users (distinct), with_auction, won (i64), win_rate with `_low` and `_high` (f64 or None),
        bid_value_won by currency (Decimal), and impressions and impressions_without_auction within the scope (i64).
        Table `creatives`: creative_id (null for bids without one), requests, users, with_auction, won, win_rate with
        its interval, `amount_CURRENCY` (sum of all bid amounts) and `bid_value_won_CURRENCY` (Decimal). Table `hours`:
        hour (Datetime), and the same columns. Table `amounts`, over the bids with an amount: currency, bids, min, p25,
        median, p75, p95, max, sum (Decimal), mean (f64), won, bid_value_won (Decimal), ecpm (f64 or None).

    Raises:
        ConfigurationError: the scope is invalid.
        AnalysisError: the scope contains no bids.
    """
    scope = check_scope(scope, store, ["bids", "impressions"])
    placed = _placed_bids(store, scope)
    if not placed.height:
        raise AnalysisError(
            "no bids found", where=scope.text(), hint="widen the range, or ingest and process bids first"
        )
    names_auction = scan_events(store, "impressions", scope, HAS_AUCTION)["auction_id"]
    return Answer(
        question="bids",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, ["bids", "impressions"]),
        computed_from={"bids": placed.height, "impressions": len(names_auction)},
        parameters={
            "price": "first",
            "auction_window_seconds": AUCTION_WINDOW.total_seconds(),
            "confidence": CONFIDENCE,
        },
        lookback=2 * AUCTION_WINDOW,
        facts=placed.select(_COUNTS).with_columns(_WIN_RATE).row(0, named=True)
        | {
            "bid_value_won": totals_by_currency(_money(placed, "bid_value_won"), "bid_value_won"),
            "impressions": len(names_auction),
            "impressions_without_auction": int((~names_auction).sum()),
        },
        tables=[
            Table("creatives", "Bids by creative", _by_key(placed, "creative_id")),
            Table("hours", "Bids by hour", _by_key(placed.with_columns(period("hour", scope.zone)), "hour")),
            Table("amounts", "Bid amounts", _amounts(placed)),
        ],
        charts=[
            Chart("creatives", "bar", "creative_id", ("requests", "won"), "Bids placed and won by creative"),
            Chart("hours", "line", "hour", ("requests", "won"), "Bids placed and won by hour"),
            Chart("hours", "line", "hour", ("win_rate",), "Win rate by hour"),
            Chart("amounts", "bar", "currency", ("p25", "median", "p75", "p95"), "Bid amounts"),
        ],
    )


def _placed_bids(store: EventStore, scope: Scope) -> pl.DataFrame:
    """Read the bids: user_id, event_time, creative_id, currency, amount, bid_value_won, with_auction, won."""
    texts = (categorical(column, pl.Categories.random()) for column in ("user_id", "currency"))
    placed = bids_with_wins(store, scope, *texts, pl.col("amount"))
    bid_value_won, with_auction = pl.when("won").then("amount"), pl.col("auction").is_not_null()
    return placed.with_columns(bid_value_won=bid_value_won, with_auction=with_auction).drop("event_id", "auction")


def _by_key(placed: pl.DataFrame, key: str) -> pl.DataFrame:
    """Compute the counts, rates and sums of money for each key."""
    grouped = _as_text(placed.group_by(key).agg(_COUNTS)).sort(key, nulls_last=True).with_columns(_WIN_RATE)
    for amount in ("amount", "bid_value_won"):
        sums = by_currency(_money(placed, amount, key), [key], amount)
        grouped = grouped.join(sums, on=key, how="left", nulls_equal=True, maintain_order="left")
    return grouped


def _money(placed: pl.DataFrame, amount: str, *keys: str) -> pl.DataFrame:
    """Sum up an amount by currency and key, ignoring nulls."""
    check_sum(placed[amount])
    return _as_text(placed.drop_nulls(amount).group_by(*keys, "currency").agg(pl.col(amount).sum()))


def _amounts(placed: pl.DataFrame) -> pl.DataFrame:
    """Compute the distribution of amounts by currency."""
    check_sum(placed["amount"])
    amount, count = pl.col("amount"), pl.len().cast(pl.Int64)
    # the smallest amount that p % of the bids do not exceed is at position ⌈p n / 100⌉, counted from 1
    positions = {name: ((count * p + 99) // 100).clip(lower_bound=1) - 1 for name, p in _QUANTILES.items()}
    found = (
        placed.drop_nulls("amount")
        .sort("amount")
        .group_by("currency")
        .agg(
            count.alias("bids"),
            *(amount.get(position).alias(name) for name, position in positions.items()),
            pl.col("amount").sum().alias("sum"),
            pl.col("won").sum().cast(pl.Int64),
            pl.col("bid_value_won").sum().alias("bid_value_won"),
        )
    )
    found = _as_text(found).sort("currency")
    mean, ecpm = _each(found, "sum", "bids"), _each(found, "bid_value_won", "won", 1000)
    return found.with_columns(mean=mean, ecpm=ecpm).select(
        "currency", "bids", *_QUANTILES, "sum", "mean", "won", "bid_value_won", "ecpm"
    )


def _each(found: pl.DataFrame, amount: str, count: str, factor: int = 1) -> pl.Series:
    """Divide an exact sum by a count, times the factor, and round once."""
    pairs = found.select(amount, count).iter_rows()
    ratios = [float(Fraction(total) * factor / number) if number else None for total, number in pairs]
    return pl.Series(ratios, dtype=pl.Float64)


def _as_text(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(cs.categorical().cast(pl.String))
