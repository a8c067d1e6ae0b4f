"""Ledger history: the outcome of all messages read, by hour, from the ledger and the stored rejects.

A rejected message may have neither a readable event time nor a campaign. So ledger counts are by hour of processing and
reject counts by hour of ingestion, and neither can be filtered by event time or campaign: the events of one day may be
ingested and processed on other days, and a filtered count of 0 would be misleading. All counts cover the whole store,
as of a time.
"""

from datetime import datetime

import polars as pl

from advertisex.analysis.intervals import ratio
from advertisex.stores.contract import EventStore, RejectQuery

_COUNTS = ("read", "stored", "duplicate", "filtered", "rejected", "erased")
_SHARES = [ratio(name, "read", f"{name}_share") for name in ("duplicate", "filtered", "rejected")]


def ledger_hours(store: EventStore, as_of: datetime | None) -> pl.DataFrame:
    """Sum up the ledger by feed and hour of processing.

    Returns:
        feed, hour (Datetime µs, start of the hour), read, stored, duplicate, filtered, rejected, erased (i64; an
        erasure reduces the other counts), duplicate_share, filtered_share, rejected_share (f64, of `read`; null if
        nothing was read), ordered by feed and hour.
    """
    at = pl.col("committed_at")
    commits = store.commits()
    if as_of is not None:
        commits = commits.filter(at <= as_of)
    return _summed(commits.with_columns(hour=at.dt.truncate("1h")), ["feed", "hour"])


def ledger_totals(hours: pl.DataFrame) -> pl.DataFrame:
    """Sum up the rows of `ledger_hours` by feed."""
    return _summed(hours, ["feed"])


def reject_hours(store: EventStore, as_of: datetime | None) -> pl.DataFrame:
    """Count rejected and filtered messages by feed, kind, reason and hour of ingestion (Datetime µs), in that order."""
    return store.reject_counts(RejectQuery(as_of=as_of))


def reject_totals(hours: pl.DataFrame) -> pl.DataFrame:
    """Sum up the rows of `reject_hours` by feed, kind and reason, with `share` (f64) of all rejected and filtered."""
    totals = hours.group_by("feed", "kind", "reason").agg(pl.col("count").sum()).sort("feed", "kind", "reason")
    return totals.with_columns(share=pl.col("count") / pl.col("count").sum())


def _summed(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return rows.group_by(keys).agg(pl.col(_COUNTS).sum()).sort(keys).with_columns(_SHARES)
