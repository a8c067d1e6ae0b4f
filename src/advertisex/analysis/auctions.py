"""Auctions: which bids won, where auctions can be joined to impressions.

An impression picks its winner among the bids of its auction at most `AUCTION_WINDOW` before or after it: the latest one
(by time, then by event_id) of those with its creative, or of all where none has it. A bid is won if an impression picks
it, and once, however many do; each impression wins at most one bid. So whether a bid is won depends on its own time
alone and not on the range that is asked for, and the parts of a range add up to the whole, also where an auction's id
is used again. What it costs counts at the bid's own time and campaign.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from advertisex.analysis.buckets import DAY
from advertisex.analysis.exact import micros
from advertisex.analysis.lean import EVENT_ID, coded, scan_events, widened
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

#: How far the times of an impression and of its bid may lie apart: clocks differ, and an ad may be shown late.
AUCTION_WINDOW = timedelta(days=1)

HAS_AUCTION = pl.col("auction_id").is_not_null()


def _auction() -> pl.Expr:
    """An auction's id as 128 bits of hash, as an event's id is: a join of numbers takes a tenth of one of texts."""
    high, low = (pl.col("auction_id").hash(seed) for seed in (0, 1))
    both = high.cast(pl.Int64, wrap_numerical=True).cast(pl.Int128) * 2**32 * 2**32 + low.cast(pl.Int128)
    return pl.when(HAS_AUCTION).then(both).alias("auction")


AUCTION = _auction()


def evaluated(store: EventStore, scope: Scope, *columns: pl.Expr) -> pl.DataFrame:
    """The bids of a scope, and which of them won.

    Rivals and impressions are looked for as far around the scope as they reach, whatever their campaign: another
    campaign's bid may have won an auction of this one.

    Args:
        store: where the events are.
        scope: which bids.
        columns: what else is wanted of them.

    Returns:
        event_id (UInt128), event_time, creative_id (Categorical), auction (Int128, null where a bid names none), won
        (Boolean), and the columns; in no particular order.
    """
    creative = coded("creative_id", pl.Categories.random())
    near = widened(scope, before=AUCTION_WINDOW, after=AUCTION_WINDOW)
    shown = scan_events(store, "impressions", near, AUCTION, creative, pl.col("event_time"), keep=HAS_AUCTION)
    common = [EVENT_ID, pl.col("event_time"), creative, AUCTION]
    rivals_of_near = widened(near, before=AUCTION_WINDOW, after=AUCTION_WINDOW)
    made = scan_events(store, "bids", rivals_of_near, *common, in_scope(scope).alias("is_asked"), *columns)
    won = np.zeros(made.height, bool)
    won[_picked(made.select("event_id", "event_time", "creative_id", "auction"), shown)] = True
    return made.with_columns(won=won).filter("is_asked").drop("is_asked")


def in_scope(scope: Scope) -> pl.Expr:
    """Whether an event lies in the scope itself, of those that `widened` let in."""
    asked = pl.lit(value=True)
    if scope.campaign is not None:
        asked &= pl.col("campaign_id").eq_missing(pl.lit(scope.campaign))
    if scope.since is not None:
        asked &= pl.col("event_time") >= scope.since
    if scope.until is not None:
        asked &= pl.col("event_time") < scope.until
    return asked


def _picked(made: pl.DataFrame, shown: pl.DataFrame) -> pl.Series:
    """The row numbers of the bids that some impression picks."""
    rivals = made.with_row_index("bid").join(shown, on="auction", how="semi").sort("event_time", "event_id")
    seen = shown.join(rivals, on="auction", how="semi").unique()
    seen = seen.with_columns(pl.col("event_time") + AUCTION_WINDOW).sort("event_time")
    same = _latest(seen, rivals.drop_nulls("creative_id"), ["auction", "creative_id"])
    return same.fill_null(_latest(seen, rivals, ["auction"])).drop_nulls().unique()


def _latest(seen: pl.DataFrame, rivals: pl.DataFrame, same: list[str]) -> pl.Series:
    """The last bid up to the end of each impression's window, which is what its time says, and within the window."""
    found = seen.join_asof(
        rivals.select(*same, "event_time", "bid").unique([*same, "event_time"], keep="last", maintain_order=True),
        on="event_time",
        by=same,
        strategy="backward",
        tolerance=2 * AUCTION_WINDOW,
        check_sortedness=False,  # both are sorted; with groups it cannot tell, and warns
    )
    return found["bid"]


@dataclass(frozen=True, slots=True)
class Wins:
    """The bids of a scope that won as of two times.

    All are frames of campaign_id, day, event_time, event_id, auction, currency and spend (Int64, in millionths).

    Attributes:
        before: that had won as of the first.
        after: as of the second.
        changed: that won as of one of them only.
        change: the same, with what is no longer spent as less than nothing.
    """

    before: pl.DataFrame
    after: pl.DataFrame
    changed: pl.DataFrame
    change: pl.DataFrame


def won_between(store: EventStore, scope: Scope, start: datetime) -> Wins:
    """Compare which bids of the scope won as of an earlier time, and as of the scope's own."""
    before, after = (_won(store, asked) for asked in (replace(scope, as_of=start), scope))
    lost = before.join(after, on="event_id", how="anti")
    gained = after.join(before, on="event_id", how="anti")
    change = pl.concat([gained, lost.with_columns(-pl.col("spend"))])
    return Wins(before, after, pl.concat([gained, lost]), change)


def _won(store: EventStore, scope: Scope) -> pl.DataFrame:
    columns = pl.col("campaign_id"), pl.col("currency"), micros("amount").alias("spend"), DAY
    made = evaluated(store, scope, *columns)
    return made.filter("won").drop("creative_id", "won")
