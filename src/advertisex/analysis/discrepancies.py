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

from advertisex.analysis.events import events
from advertisex.analysis.intervals import ratio
from advertisex.analysis.lean import EVENT_ID, coded, lean, widened
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore, Range

#: How long before a conversion a click, and an impression, still count as its touch.
CLICK_WINDOW, VIEW_WINDOW = timedelta(days=30), timedelta(days=1)

#: How far the times of an impression and of its bid may lie apart: clocks differ, and an ad may be shown late.
AUCTION_WINDOW = timedelta(days=1)

#: So many examples are given of each discrepancy, the earliest.
EXAMPLES = 5

_EXAMPLE: dict[str, pl.DataType] = {
    "discrepancy": pl.String(),
    "feed": pl.String(),
    "event_time": pl.Datetime("us"),
    **dict.fromkeys(("event_id", "user_id", "campaign_id"), pl.String()),
}


@dataclass(frozen=True, slots=True)
class Discrepancies:
    """What was found.

    Attributes:
        counts: discrepancy, count, of (i64: how many there are at all), share (f64), in the order above.
        examples: discrepancy, feed, event_time, event_id (as text), user_id, campaign_id; of each the earliest.
        creatives: those without a campaign: creative_id, impressions, bids (i64: those without one), most first.
    """

    counts: pl.DataFrame
    examples: pl.DataFrame
    creatives: pl.DataFrame


def discrepancies(store: EventStore, scope: Scope, clicks: pl.DataFrame, impressions: int) -> Discrepancies:
    """Look for all of them.

    Args:
        store: where the events are.
        scope: of the events that are doubted.
        clicks: of the scope, as of `Evidence`.
        impressions: how many there are in the scope.
    """
    unseen = clicks.filter(pl.col("answered_id").is_null())
    conversions, untouched = _untouched(store, scope)
    creatives, homeless = _creatives(store, scope)
    auctions, without_bid = _without_bid(store, scope)
    counts = [
        ("clicks_without_impression", unseen.height, clicks.height),
        ("conversions_without_touch", untouched.height, conversions),
        ("creatives_without_campaign", homeless.height, creatives),
        ("impressions_without_bid", without_bid.height, auctions),
        ("impressions_without_auction", impressions - auctions, impressions),
    ]
    schema = {"discrepancy": pl.String, "count": pl.Int64, "of": pl.Int64}
    examples = [
        _examples(store, scope, "clicks_without_impression", "clicks", unseen),
        _examples(store, scope, "conversions_without_touch", "clicks", untouched),
        _examples(store, scope, "impressions_without_bid", "impressions", without_bid),
    ]
    return Discrepancies(
        counts=pl.DataFrame(counts, schema, orient="row").with_columns(ratio("count", "of", "share")),
        examples=pl.concat(examples),
        creatives=homeless.head(EXAMPLES),
    )


def _untouched(store: EventStore, scope: Scope) -> tuple[int, pl.DataFrame]:
    """How many conversions there are, and those without a touch."""
    columns = pl.col("user_id"), pl.col("event_time")
    rows = lean(store, "clicks", scope, *columns, EVENT_ID, keep=pl.col("conversions") > 0)
    theirs = pl.col("user_id").is_in(rows["user_id"].unique().implode())
    is_click = pl.col("clicks") > 0
    clicks = lean(store, "clicks", widened(scope, before=CLICK_WINDOW), *columns, keep=theirs & is_click)
    views = lean(store, "impressions", widened(scope, before=VIEW_WINDOW), *columns, keep=theirs)
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
        lean(store, feed, scope, *columns, keep=pl.col("creative_id").is_not_null())
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


def _without_bid(store: EventStore, scope: Scope) -> tuple[int, pl.DataFrame]:
    """How many impressions name an auction, and those of them that have no bid near."""
    columns, is_named = [_AUCTION, pl.col("event_time")], pl.col("auction_id").is_not_null()
    around = widened(scope, before=AUCTION_WINDOW, after=AUCTION_WINDOW)
    held = lean(store, "bids", around, *columns, keep=is_named).sort("event_time")
    shown = lean(store, "impressions", scope, *columns, EVENT_ID, keep=is_named).sort("event_time")
    nearest = shown.join_asof(
        held.with_columns(bid_at="event_time"),
        on="event_time",
        by="auction",
        strategy="nearest",
        tolerance=AUCTION_WINDOW,
        check_sortedness=False,
    )
    return shown.height, shown.filter(nearest["bid_at"].is_null())


def _auction() -> pl.Expr:
    """An auction's id as 128 bits of hash, as an event's id is: a join of numbers takes a tenth of one of texts."""
    high, low = (pl.col("auction_id").hash(seed) for seed in (0, 1))
    both = high.cast(pl.Int64, wrap_numerical=True).cast(pl.Int128) * 2**32 * 2**32 + low.cast(pl.Int128)
    return both.alias("auction")


_AUCTION = _auction()


def _examples(store: EventStore, scope: Scope, discrepancy: str, feed: str, found: pl.DataFrame) -> pl.DataFrame:
    """The earliest of what was found, in the order of time and event id, each read again with all that is shown."""
    rows = [pl.DataFrame(schema=_EXAMPLE)]
    earliest = found.bottom_k(EXAMPLES, by=["event_time", "event_id"]).sort("event_time", "event_id")
    for time, number in earliest.select("event_time", "event_id").iter_rows():
        at = Range(time, time + timedelta(microseconds=1), scope.as_of)
        row = events(store, feed, ["event_id", "user_id", "campaign_id"], at, pl.col("event_id") == number.to_bytes(16))
        rows.append(
            row.select(
                pl.lit(discrepancy).alias("discrepancy"),
                pl.lit(feed).alias("feed"),
                pl.lit(time, pl.Datetime("us")).alias("event_time"),
                pl.col("event_id").bin.encode("hex"),
                "user_id",
                "campaign_id",
            )
        )
    return pl.concat(rows)
