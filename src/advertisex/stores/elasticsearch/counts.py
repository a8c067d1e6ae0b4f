"""Counts of events and rejects by the values of their fields, grouped by Elasticsearch."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import polars as pl

from advertisex.stores.elasticsearch.aggregations import buckets
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.conditions import all_of
from advertisex.stores.elasticsearch.frames import frames

#: Elasticsearch adds up in floating point, which is exact only for integers below this.
_EXACT = 2**53
_TOTALS: dict[str, pl.DataType] = {"user_id": pl.String(), "clicks": pl.Int64(), "conversions": pl.Int64()}
_REJECTS: dict[str, pl.DataType] = {
    "feed": pl.String(),
    "kind": pl.String(),
    "reason": pl.String(),
    "hour": pl.Datetime("us"),
    "count": pl.Int64(),
}
_EVENTS: dict[str, pl.DataType] = {"_events": pl.Int64()}

Conditions = Sequence[Mapping[str, Any]]


def event_counts(
    connection: Connection, searched: Sequence[str], by: Mapping[str, pl.DataType], conditions: Conditions
) -> pl.DataFrame:
    """Count events by the values of fields, see `EventStore.count`.

    Args:
        connection: connection to the cluster.
        searched: indices, in parts that are searched one after the other.
        by: the fields and their dtypes.
        conditions: which events to count.
    """
    # a text that is too long to be indexed is in no bucket: such events are read
    long = {"terms": {"_ignored": list(by)}}
    empty = pl.DataFrame(schema={**by, **_EVENTS})
    counts = [empty]
    for names in searched:
        short = all_of([*conditions, {"bool": {"must_not": long}}])
        rows = [
            (*group["key"].values(), group["doc_count"])
            for group in buckets(connection, names, list(by), query=short, optional=True)
        ]
        counts.append(pl.DataFrame(rows, schema=empty.schema, orient="row"))
        for frame in frames(connection, names, by, all_of([*conditions, long])):
            counts.append(frame.with_columns(_events=pl.lit(1, pl.Int64)))
    return pl.concat(counts).group_by(list(by)).agg(pl.col("_events").sum())


def user_totals(connection: Connection, searched: Sequence[str], conditions: Conditions) -> pl.DataFrame | None:
    """Add up clicks and conversions by user, see `EventStore.user_totals`; None if a sum may be inexact."""
    query, sums = all_of(conditions), ("clicks", "conversions")
    parts = (buckets(connection, names, ["user_id"], query=query, sums=sums) for names in searched)
    groups = chain.from_iterable(parts)
    rows = [(group["key"]["user_id"], group["clicks"]["value"], group["conversions"]["value"]) for group in groups]
    if any(max(clicks, conversions) >= _EXACT for _, clicks, conversions in rows):
        return None
    totals = [(user, int(clicks), int(conversions)) for user, clicks, conversions in rows]
    return summed(pl.DataFrame(totals, schema=_TOTALS, orient="row"))


def summed(rows: pl.DataFrame) -> pl.DataFrame:
    """Add up clicks and conversions by user, ordered by user."""
    return rows.group_by("user_id").agg(pl.col("clicks", "conversions").sum()).sort("user_id")


def reject_counts(connection: Connection, index: str, query: Mapping[str, Any] | None) -> pl.DataFrame:
    """Count rejects by feed, kind, reason and hour, see `EventStore.reject_counts`."""
    groups = buckets(connection, index, ["feed", "kind", "reason"], hours="ingested_at", query=query)
    rows = [(*group["key"].values(), group["doc_count"]) for group in groups]
    return pl.DataFrame(rows, schema=_REJECTS | {"hour": pl.Int64()}, orient="row").with_columns(
        pl.from_epoch("hour", "ms").cast(pl.Datetime("us"))
    )
