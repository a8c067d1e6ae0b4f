"""Intake: what became of the messages that were read, hour by hour, by the ledger's history and the kept rejects.

A message that was rejected may have no readable time, nor a campaign. So the hours of the ledger are hours of
processing, and those of the rejects hours of ingestion, and a range of event times or a campaign narrows neither: a day
of events is processed and ingested on other days, and "nothing was refused" would be said of what was not looked at.
All is of the whole store, as of a time.
"""

from datetime import datetime

import polars as pl

from advertisex.analysis.intervals import ratio
from advertisex.stores.contract import EventStore, RejectQuery

_COUNTS = ("read", "stored", "duplicate", "filtered", "rejected", "erased")
_SHARES = [ratio(name, "read", f"{name}_share") for name in ("duplicate", "filtered", "rejected")]


def ledger_hours(store: EventStore, as_of: datetime | None) -> pl.DataFrame:
    """The ledger by feed and hour of processing.

    Returns:
        feed, hour (Datetime µs, its beginning), read, stored, duplicate, filtered, rejected, erased (i64; an erasure
        takes from the others), duplicate_share, filtered_share, rejected_share (f64, of those read; null where none
        were), ordered by feed and hour.
    """
    at = pl.col("committed_at")
    commits = store.commits()
    if as_of is not None:
        commits = commits.filter(at <= as_of)
    return _summed(commits.with_columns(hour=at.dt.truncate("1h")), ["feed", "hour"])


def ledger_totals(hours: pl.DataFrame) -> pl.DataFrame:
    """The same, by feed alone."""
    return _summed(hours, ["feed"])


def reject_hours(store: EventStore, as_of: datetime | None) -> pl.DataFrame:
    """Rejected and filtered messages: feed, kind, reason, hour of ingestion (Datetime µs), count (i64), so ordered."""
    return store.reject_counts(RejectQuery(as_of=as_of))


def reject_totals(hours: pl.DataFrame) -> pl.DataFrame:
    """The same without hours, with `share` (f64): of all that were rejected or filtered."""
    totals = hours.group_by("feed", "kind", "reason").agg(pl.col("count").sum()).sort("feed", "kind", "reason")
    return totals.with_columns(share=pl.col("count") / pl.col("count").sum())


def _summed(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return rows.group_by(keys).agg(pl.col(_COUNTS).sum()).sort(keys).with_columns(_SHARES)
