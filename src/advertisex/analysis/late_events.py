"""Late events: the events stored between two times, and the earlier numbers of the same campaigns and days.

Events are read as rows of their measures (`ROW`) and summed up by campaign and day (`summed`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain

import polars as pl

from advertisex.analysis.auctions import AUCTION, AUCTION_WINDOW, Wins, in_scope
from advertisex.analysis.calendar import midnight, period
from advertisex.analysis.money import NET, check_sum
from advertisex.analysis.scan import scan, widened
from advertisex.analysis.scope import Scope
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT
from advertisex.stores.contract import EventStore, Range

MEASURES = ("impressions", "bids", "clicks", "conversions")
KEY = ["campaign_id", "day"]
#: One row per event: a count of 0 or 1, or the counts of a click; net value (Decimal); null where it does not apply.
ROW: dict[str, pl.DataType] = {
    "feed": pl.String(),
    "campaign_id": pl.String(),
    "day": pl.Date(),
    "event_time": pl.Datetime("us"),
    **dict.fromkeys(MEASURES, pl.Int64()),
    "value": AMOUNT,
    "currency": pl.String(),
    "auction_id": pl.String(),
    "in_scope": pl.Boolean(),
    "event_id": pl.Binary(),
    "processed_at": pl.Datetime("us"),
    "ingested_at": pl.Datetime("us"),
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
}
_PROVENANCE = ["event_id", "processed_at", "ingested_at", "topic", "partition", "offset"]
ORDER = [*KEY, "feed", "event_time", "event_id"]


def late_events(store: EventStore, scope: Scope, start: datetime, limit: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the sums of the late events, like `summed`, and the first `limit` of them as `ROW`."""
    first = [pl.DataFrame(schema=ROW)]

    def rows() -> Iterator[pl.DataFrame]:
        for feed in FEEDS:
            keep = pl.all_horizontal(pl.col("processed_at") > start, *scope.conditions(feed))
            for frame in _counted(store, feed, scope.within, keep, scope.zone, _PROVENANCE):
                first[:] = [pl.concat([*first, frame]).bottom_k(limit, by=ORDER)]
                yield frame

    sums = summed(rows())
    return sums, first[0]


def late_elsewhere(store: EventStore, scope: Scope, start: datetime, wins: Wins) -> pl.DataFrame:
    """Return the late impressions and bids outside the scope that changed which of its bids won, as `ROW`."""
    won = wins.decided.select("auction", bid_at="event_time")
    reach = {"impressions": AUCTION_WINDOW, "bids": 2 * AUCTION_WINDOW}  # a bid that competes for the same impression
    is_late = pl.col("processed_at") > start
    parts = [pl.DataFrame(schema=ROW)]
    for feed, window in reach.items():
        near = widened(scope, before=window, after=window)
        keep = is_late & ~in_scope(scope, feed) & AUCTION.is_in(won["auction"].unique().implode())
        for frame in _counted(store, feed, near.within, keep, scope.zone, _PROVENANCE) if won.height else ():
            pairs = frame.with_columns(AUCTION).join(won, on="auction")
            close = pairs.filter((pl.col("event_time") - pl.col("bid_at")).abs() <= window).select("event_id")
            parts.append(frame.join(close, on="event_id", how="semi").with_columns(in_scope=pl.lit(value=False)))
    return pl.concat(parts)


def known_before(store: EventStore, scope: Scope, keys: pl.DataFrame) -> pl.DataFrame:
    """Return the earlier numbers of some campaigns and days, like `summed`; only these days are read."""
    days = keys["day"].unique().sort()
    if not len(days):
        return summed([])
    start, end = (midnight(day, scope.zone) for day in (days[0], days[-1] + timedelta(days=1)))
    since = start if scope.since is None else max(start, scope.since)
    until = end if scope.until is None else min(end, scope.until)
    is_touched = period("day", scope.zone).is_in(days.implode())
    within = Range(since, until, scope.as_of)
    rows = (
        frame
        for feed in FEEDS
        for frame in _counted(store, feed, within, pl.all_horizontal(is_touched, *scope.conditions(feed)), scope.zone)
    )
    return summed(rows).join(keys.unique(), on=KEY, how="semi", nulls_equal=True)


def _counted(
    store: EventStore, feed: str, within: Range, keep: pl.Expr, zone: str, provenance: Sequence[str] = ()
) -> Iterator[pl.DataFrame]:
    """Read a feed frame by frame as `ROW`; provenance columns that are not requested are null."""
    extra = ["clicks", "conversions", "value", "currency"] if feed == "clicks" else []
    extra += ["auction_id"] if provenance and feed != "clicks" else []
    read = dict.fromkeys([*keep.meta.root_names(), "campaign_id", "event_time", *extra, *provenance])
    nulls = {name: pl.lit(None, dtype).alias(name) for name, dtype in ROW.items()}
    counts = {name: pl.lit(int(name == feed), pl.Int64).alias(name) for name in MEASURES}
    expressions = (
        nulls | counts | {name: pl.col(name) for name in (*extra, *provenance)} | {"feed": pl.lit(feed).alias("feed")}
    )
    expressions["in_scope"] = pl.lit(value=True).alias("in_scope")
    if feed == "clicks":
        expressions["value"] = NET
    expressions |= {
        "campaign_id": pl.col("campaign_id"),
        "event_time": pl.col("event_time"),
        "day": period("day", zone),
    }
    for frame in scan(store, feed, list(read), within):
        yield frame.filter(keep).select(expressions[name] for name in ROW)


def summed(rows: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Sum up rows by feed, campaign, day and currency: events, `MEASURES` and value (Decimal, null if none)."""
    value = pl.when(pl.col("value").count() > 0).then(pl.col("value").sum()).alias("value")
    sums = [pl.col(name).sum() for name in ("events", *MEASURES)]
    empty = pl.DataFrame(schema=ROW).with_columns(events=pl.lit(1, pl.Int64))
    parts = [
        frame.with_columns(events=pl.lit(1, pl.Int64)).group_by("feed", *KEY, "currency").agg(*sums, value)
        for frame in chain([empty], rows)
    ]
    together = pl.concat(parts)
    check_sum(together["value"])
    return together.group_by("feed", *KEY, "currency").agg(*sums, value)
