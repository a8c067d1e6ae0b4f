"""Auctions: which bids won, for auctions that can be joined to impressions.

An impression selects its winner among the bids of its auction at most `AUCTION_WINDOW` before or after it: those with
its creative or, if none has it, all of them. The winner is the latest of these bids at or before the impression, else
the earliest after it; of several at the same time, the one with the largest event id. A bid has won if at least one
impression selects it; it counts once. Each impression selects at most one bid. So the result does not depend on the
range of the question, and the parts of a range add up to the whole, even if an auction id is reused. The cost counts at
the bid's own time and campaign.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from advertisex.analysis.calendar import period
from advertisex.analysis.scan import EVENT_ID, categorical, scan_events, widened
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

#: Maximum time between an impression and its bid: clocks differ, and an ad may be shown late.
AUCTION_WINDOW = timedelta(days=1)

#: A bid at or before the impression is preferred to any after it.
_STRATEGIES: tuple[Literal["backward", "forward"], ...] = ("backward", "forward")

#: With so many impressions for each bid or more, the impressions that can have a bid are looked up.
_FEW = 3
_PRICES = ("price_paid", "amount", "currency")

HAS_AUCTION = pl.col("auction_id").is_not_null()


def _auction() -> pl.Expr:
    """A 128-bit hash of the auction id, the same size as an event id; ten times as fast to join on as text."""
    high, low = (pl.col("auction_id").hash(seed) for seed in (0, 1))
    both = high.cast(pl.Int64, wrap_numerical=True).cast(pl.Int128) * 2**32 * 2**32 + low.cast(pl.Int128)
    return pl.when(HAS_AUCTION).then(both).alias("auction")


AUCTION = _auction()


def bids_with_wins(store: EventStore, scope: Scope, *columns: pl.Expr) -> pl.DataFrame:
    """Read the bids of a scope and determine which of them won.

    Competing bids and impressions are also read from around the scope and from all campaigns: another campaign's bid
    may have won the auction.

    Args:
        store: the event store.
        scope: selects the bids.
        columns: additional expressions over the bids.

    Returns:
        event_id (UInt128), event_time, creative_id (Categorical), auction (Int128, null for bids without an auction
        id), won (Boolean), and the additional columns; in no particular order.
    """
    creative = categorical("creative_id", pl.Categories.random())
    near = widened(scope, before=AUCTION_WINDOW, after=AUCTION_WINDOW)
    moment = [AUCTION, creative, pl.col("event_time")]
    competing_range = widened(near, before=AUCTION_WINDOW, after=AUCTION_WINDOW)
    own = in_scope(scope, "bids").alias("is_in_scope")
    bids = scan_events(store, "bids", competing_range, EVENT_ID, *moment, own, *columns)
    offered = _offered(store, competing_range)
    impressions = scan_events(store, "impressions", near, *moment, keep=HAS_AUCTION, among=offered)
    won = np.zeros(bids.height, bool)
    selections = _selections(bids.select("event_id", "event_time", "creative_id", "auction"), impressions)
    won[selections["bid"].unique()] = True
    return bids.with_columns(won=won).filter("is_in_scope").drop("is_in_scope")


def in_scope(scope: Scope, feed: str) -> pl.Expr:
    """Whether an event of a feed is in the scope itself, and not just in its `widened` range."""
    condition = pl.all_horizontal(pl.lit(value=True), *scope.conditions(feed))
    if scope.since is not None:
        condition &= pl.col("event_time") >= scope.since
    if scope.until is not None:
        condition &= pl.col("event_time") < scope.until
    return condition


def _selections(bids: pl.DataFrame, impressions: pl.DataFrame) -> pl.DataFrame:
    """Which bid impressions select: auction, creative_id and event_time of the impressions, and bid (its row number).

    One row for each auction, creative and time, without those that select none.
    """
    rivals = bids.with_row_index("bid").join(impressions, on="auction", how="semi").sort("event_time", "event_id")
    same_moment = impressions.select("auction", "creative_id", "event_time")
    undecided = same_moment.join(rivals, on="auction", how="semi").unique().sort("event_time")
    selected = []
    for same, known in ((["auction", "creative_id"], rivals.drop_nulls("creative_id")), (["auction"], rivals)):
        candidates = known.select(*same, "event_time", "bid")
        candidates = candidates.unique([*same, "event_time"], keep="last", maintain_order=True)
        for strategy in _STRATEGIES:
            found = undecided.join_asof(
                candidates,
                on="event_time",
                by=same,
                strategy=strategy,
                tolerance=AUCTION_WINDOW,
                check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
            )
            selected.append(found.drop_nulls("bid"))
            undecided = found.filter(pl.col("bid").is_null()).drop("bid")
    return pl.concat(selected)


def has_few_bids(store: EventStore, scope: Scope) -> bool:
    """Whether so few impressions of a scope can have a bid that looking these up is faster than reading all."""
    bids, impressions = (store.extent(feed, scope.within).events for feed in ("bids", "impressions"))
    return _FEW * bids < impressions


def _offered(store: EventStore, scope: Scope) -> pl.Series | None:
    """The auctions of the bids, if they are few."""
    if not has_few_bids(store, scope):
        return None
    return store.count("bids", ["auction_id"], scope.within)["auction_id"].drop_nulls()


def selected_bids(store: EventStore, scope: Scope, *columns: pl.Expr) -> pl.DataFrame:
    """Return the impressions of the scope that select a bid and are the first to select it.

    Competing bids and impressions are read from around the scope and from all campaigns, as in `bids_with_wins`.

    Args:
        store: the event store.
        scope: selects the impressions.
        columns: expressions over the impressions; use them only if there are few bids, since memory holds them all.

    Returns:
        The columns, event_id (UInt128), and bid_price_paid, bid_amount and bid_currency of the bid; in no particular
        order.
    """
    creative = categorical("creative_id", pl.Categories.random())
    around = widened(scope, before=2 * AUCTION_WINDOW, after=2 * AUCTION_WINDOW)  # other impressions of the same bid
    moment = [EVENT_ID, AUCTION, creative, pl.col("event_time")]
    known = widened(around, before=AUCTION_WINDOW, after=AUCTION_WINDOW)
    prices = [pl.col(name).alias(f"bid_{name}") for name in _PRICES]
    offered = _offered(store, known)
    asked = [pl.struct(columns).alias("asked")] if columns else []
    asked += [] if offered is None else [pl.col("auction_id")]
    is_asked = in_scope(scope, "impressions").alias("is_in_scope")
    impressions = scan_events(store, "impressions", around, *moment, is_asked, *asked, keep=HAS_AUCTION, among=offered)
    shown = None if offered is None else impressions["auction_id"].unique()
    bids = scan_events(store, "bids", known, *moment, *prices, keep=HAS_AUCTION, among=shown)
    selections = _selections(bids.select("event_id", "event_time", "creative_id", "auction"), impressions)
    first = (
        impressions.join(selections, on=["auction", "creative_id", "event_time"], nulls_equal=True)
        .sort("event_time", "event_id")
        .unique("bid", keep="first", maintain_order=True)
    )
    names = [f"bid_{name}" for name in _PRICES]
    priced = first.hstack(bids[first["bid"]].select(names)).filter("is_in_scope")
    if not columns:
        return priced.select("event_id", *names)
    return priced.select("event_id", "asked", *names).unnest("asked")


@dataclass(frozen=True, slots=True)
class Wins:
    """The winning bids of a scope as of two times.

    All frames have campaign_id, day, event_time, event_id, auction, currency and bid_value_won (Decimal). The campaign
    is that of the catalogue as of the respective time.

    Attributes:
        before: winning bids as of the first time.
        after: winning bids as of the second time.
        changed: bids that won as of only one of the times, or in another campaign.
        change: `changed`, with a negative amount for bids that no longer win in that campaign.
        decided: the part of `changed` that won as of only one of the times, whatever the campaign.
    """

    before: pl.DataFrame
    after: pl.DataFrame
    changed: pl.DataFrame
    change: pl.DataFrame
    decided: pl.DataFrame


def won_between(store: EventStore, scope: Scope, start: datetime) -> Wins:
    """Compare the winning bids of the scope as of `start` and as of its own `as_of`."""
    first, last = (_won(store, each) for each in (replace(scope, as_of=start), scope))
    before, after = (won.filter("in_scope").drop("in_scope") for won in (first, last))
    lost, gained = _without(before, after, "campaign_id"), _without(after, before, "campaign_id")
    return Wins(
        before,
        after,
        changed=pl.concat([gained, lost]),
        change=pl.concat([gained, lost.with_columns(-pl.col("bid_value_won"))]),
        decided=pl.concat([_without(gained, first), _without(lost, last)]),
    )


def _without(won: pl.DataFrame, others: pl.DataFrame, *same: str) -> pl.DataFrame:
    """The winning bids that are not among others: other bids, or the same one with another value of these columns."""
    return won.join(others, on=["event_id", *same], how="anti", nulls_equal=True)


def _won(store: EventStore, scope: Scope) -> pl.DataFrame:
    """The winning bids of the range, with whether they are in the scope itself."""
    columns = (
        pl.col("campaign_id"),
        pl.col("currency"),
        pl.col("amount").alias("bid_value_won"),
        period("day", scope.zone),
    )
    bids = bids_with_wins(store, widened(scope), *columns, in_scope(scope, "bids").alias("in_scope"))
    return bids.filter("won").drop("creative_id", "won")
