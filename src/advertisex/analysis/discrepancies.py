"""Discrepancies: events that the other feeds contradict.

    clicks_without_impression     clicks that answer no impression, see `answered`
    conversions_without_touch     conversions of users with neither a click at most 30 days nor an impression at most
                                  1 day before (the windows of attribution unless told otherwise), of any campaign
    creatives_without_campaign    creatives of impressions and bids that came without a campaign in the catalogue
    impressions_without_bid       impressions whose auction has no bid within a day of them, before or after
    impressions_without_auction   impressions that name no auction, so that no bid can be looked for

A click, an impression or a bid from before the scope counts as one within it does.
"""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from advertisex.analysis.auctions import AUCTION, AUCTION_WINDOW, HAS_AUCTION
from advertisex.analysis.intervals import ratio
from advertisex.analysis.lean import EVENT_ID, coded, scan_events, widened
from advertisex.analysis.listing import earliest
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

#: How long before a conversion a click, and an impression, still count as its touch.
CLICK_WINDOW, VIEW_WINDOW = timedelta(days=30), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Discrepancies:
    """What was found.

    Attributes:
        counts: discrepancy, count, of (i64: how many there are at all), share (f64), in the order above.
        doubted: discrepancy, feed, event_time, event_id (UInt128, see `lean`); of each discrepancy the earliest, so
            ordered. A creative is no event.
        creatives: those without a campaign: creative_id, impressions, bids (i64: those without one), most first.
    """

    counts: pl.DataFrame
    suspect: pl.DataFrame
    creatives: pl.DataFrame


def discrepancies(store: EventStore, scope: Scope, clicks: pl.DataFrame, limit: int) -> Discrepancies:
    """Look for all of them.

    Args:
        store: where the events are.
        scope: of the events that are doubted.
        clicks: of the scope, as of `Evidence`.
        limit: at most so many events of each, and so many creatives.
    """
    unseen = clicks.filter(pl.col("answered_id").is_null())
    conversions, untouched = _untouched(store, scope)
    creatives, homeless = _creatives(store, scope)
    named, unnamed = _shown(store, scope)
    without_bid = _without_bid(store, scope, named)
    counts = [
        ("clicks_without_impression", unseen.height, clicks.height),
        ("conversions_without_touch", untouched.height, conversions),
        ("creatives_without_campaign", homeless.height, creatives),
        ("impressions_without_bid", without_bid.height, named.height),
        ("impressions_without_auction", unnamed.height, named.height + unnamed.height),
    ]
    suspect = [
        ("clicks_without_impression", "clicks", unseen),
        ("conversions_without_touch", "clicks", untouched),
        ("impressions_without_bid", "impressions", without_bid),
        ("impressions_without_auction", "impressions", unnamed),
    ]
    schema = {"discrepancy": pl.String, "count": pl.Int64, "of": pl.Int64}
    return Discrepancies(
        counts=pl.DataFrame(counts, schema, orient="row").with_columns(ratio("count", "of", "share")),
        suspect=pl.concat([_earliest(*found, limit) for found in suspect]),
        creatives=homeless.head(limit),
    )


def _earliest(discrepancy: str, feed: str, found: pl.DataFrame, limit: int) -> pl.DataFrame:
    why = pl.lit(discrepancy).alias("discrepancy"), pl.lit(feed).alias("feed")
    return earliest(found.select("event_time", "event_id"), limit).select(*why, "event_time", "event_id")


def _untouched(store: EventStore, scope: Scope) -> tuple[int, pl.DataFrame]:
    """How many conversions there are, and those without a touch."""
    columns = pl.col("user_id"), pl.col("event_time")
    rows = scan_events(store, "clicks", scope, *columns, EVENT_ID, keep=pl.col("conversions") > 0)
    theirs = pl.col("user_id").is_in(rows["user_id"].unique().implode())
    is_click = pl.col("clicks") > 0
    clicks = scan_events(store, "clicks", widened(scope, before=CLICK_WINDOW), *columns, keep=theirs & is_click)
    views = scan_events(store, "impressions", widened(scope, before=VIEW_WINDOW), *columns, keep=theirs)
    return rows.height, _without(_without(rows, clicks, CLICK_WINDOW), views, VIEW_WINDOW)


def _without(rows: pl.DataFrame, touches: pl.DataFrame, window: timedelta) -> pl.DataFrame:
    """The rows of users who have no touch within the window before."""
    return (
        rows.sort("event_time")
        .join_asof(
            touches.sort("event_time").with_columns(touched_at="event_time"),
            on="event_time",
            by="user_id",
            strategy="backward",
            tolerance=window,
            check_sortedness=False,  # both are sorted; with groups it cannot tell, and warns
        )
        .filter(pl.col("touched_at").is_null())
        .drop("touched_at")
    )


def _creatives(store: EventStore, scope: Scope) -> tuple[int, pl.DataFrame]:
    """How many creatives there are, and those without a campaign."""
    columns = coded("creative_id", pl.Categories.random()), pl.col("campaign_id").is_null().alias("without")
    counted = [
        scan_events(store, feed, scope, *columns, keep=pl.col("creative_id").is_not_null())
        .group_by("creative_id")
        .agg(pl.col("without").sum().cast(pl.Int64).alias(feed))
        for feed in ("impressions", "bids")
    ]
    both = pl.concat(counted, how="diagonal").group_by("creative_id").agg(pl.col("impressions", "bids").sum())
    without = both.with_columns(pl.col("creative_id").cast(pl.String)).filter(
        pl.col("impressions") + pl.col("bids") > 0
    )
    order = [pl.col("impressions") + pl.col("bids"), pl.col("creative_id")]
    return both.height, without.sort(order, descending=[True, False])


def _shown(store: EventStore, scope: Scope) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The impressions that name an auction, and those that name none."""
    shown = scan_events(store, "impressions", scope, AUCTION, pl.col("event_time"), EVENT_ID)
    is_named = pl.col("auction").is_not_null()
    return shown.filter(is_named), shown.filter(~is_named)


def _without_bid(store: EventStore, scope: Scope, named: pl.DataFrame) -> pl.DataFrame:
    """The impressions, of those that name an auction, that have no bid near."""
    around = widened(scope, before=AUCTION_WINDOW, after=AUCTION_WINDOW)
    held = scan_events(store, "bids", around, AUCTION, pl.col("event_time"), keep=HAS_AUCTION).sort("event_time")
    rising = named.sort("event_time")
    nearest = rising.join_asof(
        held.with_columns(bid_at="event_time"),
        on="event_time",
        by="auction",
        strategy="nearest",
        tolerance=AUCTION_WINDOW,
        check_sortedness=False,
    )
    return rising.filter(nearest["bid_at"].is_null())
