"""Ingestion delay: the time from an event to its append to the log."""

from decimal import Decimal

import polars as pl

from advertisex.analysis.money import decimals
from advertisex.analysis.scan import scan_events
from advertisex.analysis.scope import Scope
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

#: The reported quantiles, in per cent.
PERCENTILES = (50, 90, 95, 99)

_DELAY = (pl.col("ingested_at") - pl.col("event_time")).dt.total_microseconds().alias("delay")


def delays(store: EventStore, scope: Scope) -> pl.DataFrame:
    """Compute the distribution of the ingestion delay of each feed: the time from an event to its append to the log.

    A quantile is the smallest delay that at least that fraction of the events does not exceed: the inverse of the
    empirical distribution function, definition 1 of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical
    packages", The American Statistician 50 (1996) 361-365. So each quantile is the exact delay of some event.

    Returns:
        One row for each feed with events: feed, events, ahead (i64: events with a negative delay, because the clock of
        their source is ahead), and min, p50, p90, p95, p99, max in seconds (Decimal(38, 6), exact).
    """
    names = ["min", *(f"p{percent}" for percent in PERCENTILES), "max"]
    schema = {"feed": pl.String, "events": pl.Int64, "ahead": pl.Int64, **dict.fromkeys(names, pl.Int64)}
    rows = []
    for feed in FEEDS:
        ordered = _delays(store, feed, scope).sort()
        if count := len(ordered):
            positions = [0, *(_place(percent, count) for percent in PERCENTILES), count - 1]
            rows.append((feed, count, int((ordered < 0).sum()), *ordered.gather(positions)))
    table = pl.DataFrame(rows, schema, orient="row")
    return table.with_columns(decimals(table[name], 6) for name in names)


def delay(store: EventStore, scope: Scope, percent: int) -> Decimal | None:
    """A quantile of the delay of the events of all feeds, see `delays`; in seconds, None without events."""
    ordered = pl.concat(_delays(store, feed, scope) for feed in FEEDS).sort()
    if ordered.is_empty():
        return None
    return Decimal(int(ordered[_place(percent, len(ordered))])).scaleb(-6)


def _delays(store: EventStore, feed: str, scope: Scope) -> pl.Series:
    return scan_events(store, feed, scope, _DELAY)["delay"]


def _seconds(micros: int) -> Decimal:
    return Decimal(micros).scaleb(-6)


def _place(percent: int, count: int) -> int:
    """The place of a quantile among so many sorted values."""
    return (percent * count + 99) // 100 - 1
