"""Discrepancies: events of one feed that contradict the other feeds.

    clicks_without_impression     clicks that match no impression, see `match_impressions`
    conversions_without_touch     conversions of users with neither a click in the 30 days nor an impression in the day
                                  before (the default attribution windows), of any campaign
    creatives_without_campaign    creatives of impressions and bids that have no campaign in the catalogue
    campaigns_without_creative    campaigns of the clicks feed that have no creative in the catalogue
    impressions_without_bid       impressions whose auction has no bid within a day before or after
    impressions_without_auction   impressions without an auction id, so that no bid can be looked up

Clicks, impressions and bids from before the scope count as matches too.
"""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from advertisex.analysis.auctions import AUCTION, AUCTION_WINDOW, HAS_AUCTION
from advertisex.analysis.intervals import ratio
from advertisex.analysis.listing import earliest
from advertisex.analysis.quality.unknown_names import UnknownNames
from advertisex.analysis.scan import EVENT_ID, scan_events, widened
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

#: How long before a conversion a click or an impression counts as its touch.
CLICK_WINDOW, VIEW_WINDOW = timedelta(days=30), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Discrepancies:
    """The discrepancies of a scope.

    Attributes:
        counts: discrepancy, count, of (i64, the total that was checked), share (f64), in the order listed above.
        suspect: the earliest events of each discrepancy of events: discrepancy, feed, event_time, event_id (UInt128,
            see `EVENT_ID`), in the order of `counts` and by time.
        events: number of all suspect events.
    """

    counts: pl.DataFrame
    suspect: pl.DataFrame
    events: int


def discrepancies(
    store: EventStore, scope: Scope, clicks: pl.DataFrame, unknown: UnknownNames, limit: int
) -> Discrepancies:
    """Find the discrepancies of a scope.

    Args:
        store: the event store.
        scope: scope of the events to check.
        clicks: the clicks of the scope, see `Traffic.clicks`.
        unknown: the unknown names in the scope.
        limit: maximum number of events to return for each discrepancy.
    """
    unmatched = clicks.filter(pl.col("answered_id").is_null())
    conversions, untouched = _untouched(store, scope)
    with_auction, without_auction = _by_auction(store, scope)
    without_bid = _without_bid(store, scope, with_auction)
    counts = [
        ("clicks_without_impression", unmatched.height, clicks.height),
        ("conversions_without_touch", untouched.height, conversions),
        ("creatives_without_campaign", unknown.creatives.height, unknown.checked["creatives"]),
        ("campaigns_without_creative", unknown.campaigns.height, unknown.checked["campaigns"]),
        ("impressions_without_bid", without_bid.height, with_auction.height),
        ("impressions_without_auction", without_auction.height, with_auction.height + without_auction.height),
    ]
    suspect = [
        ("clicks_without_impression", "clicks", unmatched),
        ("conversions_without_touch", "clicks", untouched),
        ("impressions_without_bid", "impressions", without_bid),
        ("impressions_without_auction", "impressions", without_auction),
    ]
    schema = {"discrepancy": pl.String, "count": pl.Int64, "of": pl.Int64}
    return Discrepancies(
        counts=pl.DataFrame(counts, schema, orient="row").with_columns(ratio("count", "of", "share")),
        suspect=pl.concat([_earliest(*found, limit) for found in suspect]),
        events=sum(found.height for *_, found in suspect),
    )


def _earliest(discrepancy: str, feed: str, found: pl.DataFrame, limit: int) -> pl.DataFrame:
    why = pl.lit(discrepancy).alias("discrepancy"), pl.lit(feed).alias("feed")
    return earliest(found.select("event_time", "event_id"), limit).select(*why, "event_time", "event_id")


def _untouched(store: EventStore, scope: Scope) -> tuple[int, pl.DataFrame]:
    """Return the number of conversions, and the conversions without a touch."""
    columns = pl.col("user_id"), pl.col("event_time")
    rows = scan_events(store, "clicks", scope, *columns, EVENT_ID, keep=pl.col("conversions") > 0)
    theirs = pl.col("user_id").is_in(rows["user_id"].unique().implode())
    is_click = pl.col("clicks") > 0
    clicks = scan_events(store, "clicks", widened(scope, before=CLICK_WINDOW), *columns, keep=theirs & is_click)
    views = scan_events(store, "impressions", widened(scope, before=VIEW_WINDOW), *columns, keep=theirs)
    return rows.height, _without(_without(rows, clicks, CLICK_WINDOW), views, VIEW_WINDOW)


def _without(rows: pl.DataFrame, touches: pl.DataFrame, window: timedelta) -> pl.DataFrame:
    """The rows without a touch of the same user in the window before."""
    return (
        rows.sort("event_time")
        .join_asof(
            touches.sort("event_time").with_columns(touched_at="event_time"),
            on="event_time",
            by="user_id",
            strategy="backward",
            tolerance=window,
            check_sortedness=False,  # both are sorted; Polars cannot check it by group, and warns
        )
        .filter(pl.col("touched_at").is_null())
        .drop("touched_at")
    )


def _by_auction(store: EventStore, scope: Scope) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the impressions with an auction id, and those without one."""
    impressions = scan_events(store, "impressions", scope, AUCTION, pl.col("event_time"), EVENT_ID)
    is_named = pl.col("auction").is_not_null()
    return impressions.filter(is_named), impressions.filter(~is_named)


def _without_bid(store: EventStore, scope: Scope, with_auction: pl.DataFrame) -> pl.DataFrame:
    """The impressions with an auction id that have no bid within the auction window."""
    around = widened(scope, before=AUCTION_WINDOW, after=AUCTION_WINDOW)
    bids = scan_events(store, "bids", around, AUCTION, pl.col("event_time"), keep=HAS_AUCTION).sort("event_time")
    ordered = with_auction.sort("event_time")
    nearest = ordered.join_asof(
        bids.with_columns(bid_at="event_time"),
        on="event_time",
        by="auction",
        strategy="nearest",
        tolerance=AUCTION_WINDOW,
        check_sortedness=False,
    )
    return ordered.filter(nearest["bid_at"].is_null())
