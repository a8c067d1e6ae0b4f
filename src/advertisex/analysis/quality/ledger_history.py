"""The ledger history and the rejects by hour.

A rejected message may have neither a readable event time nor a campaign. So ledger counts are by hour of processing and
reject counts by hour of ingestion, and neither can be filtered by event time or campaign: the events of one day may be
ingested and processed on other days, and a filtered count of 0 would be misleading. All counts cover the whole store,
as of a time.
"""

from datetime import datetime

import polars as pl

from advertisex.analysis.answer import Chart, Table
from advertisex.analysis.intervals import ratio
from advertisex.stores.contract import EventStore, RejectQuery

#: For titles: the tables cover the whole store and not just the scope of the question.
_WHOLE = "whole store (all times and campaigns)"
_KEPT = "Rejected, filtered and conflicting messages"

_CODES = ("kind", "reason")
_COUNTS = ("read", "stored", "duplicate", "filtered", "rejected", "erased", "conflict", "lost")
_SHARES = [ratio(name, "read", f"{name}_share") for name in ("duplicate", "filtered", "rejected", "conflict")]


def ledger_hours(store: EventStore, as_of: datetime | None) -> pl.DataFrame:
    """Sum up the ledger by feed and hour of processing.

    Returns:
        feed, hour (Datetime µs, start of the hour), read, stored, duplicate, filtered, rejected, erased, conflict, lost
        (i64; an erasure reduces the other counts), duplicate_share, filtered_share, rejected_share, conflict_share
        (f64, of `read`; null if nothing was read), ordered by feed and hour. Conflicts are among the duplicates; lost
        messages were not read.
    """
    at = pl.col("committed_at")
    commits = store.commits()
    if as_of is not None:
        commits = commits.filter(at <= as_of)
    return _summed(commits.with_columns(hour=at.dt.truncate("1h")), ["feed", "hour"])


def reject_hours(store: EventStore, as_of: datetime | None) -> pl.DataFrame:
    """Count rejected, filtered and conflicting messages by feed, kind, reason and hour of ingestion, in that order.

    Returns:
        feed, kind, reason, hour (Datetime µs, start of the hour), count (i64).
    """
    return store.reject_counts(RejectQuery(as_of=as_of))


def history_tables(hours: pl.DataFrame, rejects: pl.DataFrame) -> list[Table]:
    """The tables of `ledger_hours` and `reject_hours`, each after its totals."""
    return [
        Table("ledger", f"Ledger totals, {_WHOLE}", _summed(hours, ["feed"])),
        Table("ledger_hours", f"Ledger by hour of processing (UTC), {_WHOLE}", hours),
        Table("rejects", f"{_KEPT} by reason, {_WHOLE}", _reject_totals(rejects), codes=_CODES),
        Table("reject_hours", f"{_KEPT} by hour of ingestion (UTC), {_WHOLE}", rejects, codes=_CODES),
    ]


def history_charts() -> list[Chart]:
    """Charts of `history_tables`, which are shown below the titles of these."""
    return [
        Chart("ledger_hours", "line", "hour", ("duplicate_share",), "Duplicates, as a share of messages read", "feed"),
        Chart("ledger_hours", "line", "hour", ("rejected_share",), "Rejected, as a share of messages read", "feed"),
        Chart("reject_hours", "bar", "hour", ("count",), "Messages by hour of ingestion", "reason"),
    ]


def _reject_totals(hours: pl.DataFrame) -> pl.DataFrame:
    """Sum up by feed, kind and reason, with `share` (f64).

    Conflicts are duplicates, not rejected messages, so they have a total of their own.
    """
    totals = hours.group_by("feed", "kind", "reason").agg(pl.col("count").sum()).sort("feed", "kind", "reason")
    of = pl.col("count").sum().over(pl.col("kind") == "conflict")
    return totals.with_columns(share=pl.col("count") / of)


def _summed(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return rows.group_by(keys).agg(pl.col(_COUNTS).sum()).sort(keys).with_columns(_SHARES)
