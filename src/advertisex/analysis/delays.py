"""Delay: how long after it happened an event was appended to the log, `ingested_at − event_time`.

A quantile is the smallest delay that at least that share of the events do not exceed (the inverse of the empirical
distribution function: definition 1 of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The
American Statistician 50 (1996) 361-365). So each is the delay of some event, exactly.
"""

import polars as pl

from advertisex.analysis.exact import decimals
from advertisex.analysis.lean import scan_events
from advertisex.analysis.scope import Scope
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

#: Which quantiles, in hundredths.
PERCENTILES = (50, 90, 95, 99)

_DELAY = (pl.col("ingested_at") - pl.col("event_time")).dt.total_microseconds().alias("delay")


def delays(store: EventStore, scope: Scope) -> pl.DataFrame:
    """The delays of each feed.

    Returns:
        For each feed that has events: feed, events, ahead (i64: events whose delay is negative, because their source's
        clock is ahead), and in seconds (Decimal(38, 6), exact) min, p50, p90, p95, p99, max.
    """
    names = ["min", *(f"p{percent}" for percent in PERCENTILES), "max"]
    schema = {"feed": pl.String, "events": pl.Int64, "ahead": pl.Int64, **dict.fromkeys(names, pl.Int64)}
    rows = []
    for feed in FEEDS:
        rising = scan_events(store, feed, scope, _DELAY)["delay"].sort()
        if count := len(rising):
            places = [0, *((percent * count + 99) // 100 - 1 for percent in PERCENTILES), count - 1]
            rows.append((feed, count, int((rising < 0).sum()), *rising.gather(places)))
    table = pl.DataFrame(rows, schema, orient="row")
    return table.with_columns(decimals(table[name], 6) for name in names)
