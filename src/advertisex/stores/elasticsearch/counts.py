"""Counts of events and rejects by the values of their fields, grouped by Elasticsearch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

import polars as pl

from advertisex.stores.contract import Range, intervals
from advertisex.stores.elasticsearch.aggregations import buckets, buckets_of_each
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.conditions import all_of, event_conditions
from advertisex.stores.elasticsearch.frames import frames
from advertisex.stores.elasticsearch.search import LARGEST_PAGE

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
Conditions = Sequence[Mapping[str, Any]]


def event_counts(
    connection: Connection,
    searched: Sequence[str],
    by: Mapping[str, pl.DataType],
    within: Range,
    edges: Sequence[datetime],
) -> pl.DataFrame:
    """Count events by the values of fields and by interval, see `EventStore.count`.

    Args:
        connection: connection to the cluster.
        searched: indices, in parts that are searched one after the other.
        by: the fields and their dtypes.
        within: which events to count.
        edges: where the intervals begin.
    """
    # a text that is too long to be indexed would be counted as null, so these events are read instead
    long = {"terms": {"_ignored": list(by)}}
    parts = intervals(within, edges)
    queries = [all_of([*event_conditions(part), {"bool": {"must_not": long}}]) for _, part in parts]
    schema = {**by, "_interval": pl.UInt32(), "_events": pl.Int64()}
    counts = [pl.DataFrame(schema=schema)]
    for names in searched:
        found = buckets_of_each(connection, names, list(by), queries)
        for (number, _), groups in zip(parts, found, strict=True):
            rows = ((*group["key"].values(), number, group["doc_count"]) for group in groups)
            while some := list(islice(rows, LARGEST_PAGE)):  # tuples are larger than columns
                counts.append(pl.DataFrame(some, schema=schema, orient="row"))
        read = {**by, "event_time": pl.Datetime("us")}
        for frame in frames(connection, names, read, all_of([*event_conditions(within), long])):
            interval = pl.Series(edges, dtype=pl.Datetime("us")).search_sorted(frame["event_time"], side="right")
            placed = frame.select(*by, interval.alias("_interval"), pl.lit(1, pl.Int64).alias("_events"))
            counts.append(placed.cast({"_interval": pl.UInt32}))
    return pl.concat(counts).group_by([*by, "_interval"]).agg(pl.col("_events").sum())


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
