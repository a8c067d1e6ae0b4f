"""Counts of documents in Elasticsearch, exact and at one point in time: by group, or the extent of a range."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from advertisex.stores.contract import Extent
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.event_ids import event_id, foreign_document
from advertisex.stores.elasticsearch.search import LARGEST_PAGE, Response, complete, point_in_time, search_once
from advertisex.stores.elasticsearch.times import parse_time


class _Total(msgspec.Struct):
    value: int


class _Time(msgspec.Struct):
    event_time: str | None = None


class _EdgeHit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    source: _Time = msgspec.field(name="_source")


class _EdgeHits(msgspec.Struct):
    total: _Total
    hits: list[_EdgeHit] = []


class _Edge(Response):
    hits: _EdgeHits


class _Buckets(msgspec.Struct):
    after_key: dict[str, Any] | None = None
    buckets: list[dict[str, Any]] = []


class _Aggregations(msgspec.Struct):
    rows: _Buckets


class _AggregationPage(Response):
    aggregations: _Aggregations


def buckets(
    connection: Connection,
    index: str,
    keys: Sequence[str],
    *,
    query: Mapping[str, Any] | None = None,
    hours: str | None = None,
    sums: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Group documents by fields; yields the groups ordered by key, each with its sums and `doc_count`.

    Args:
        connection: connection to the cluster.
        index: indices or an alias; a missing one is an error.
        keys: keyword fields to group by; documents without a value of one are left out.
        query: Elasticsearch query; None matches all.
        hours: a time field to group by as well, by hour; its key is in milliseconds since the epoch.
        sums: fields to add up.
    """
    sources = _terms(keys)
    if hours is not None:
        sources.append({hours: {"date_histogram": {"field": hours, "fixed_interval": "1h"}}})
    with point_in_time(connection, index) as point:
        yield from _pages(connection, point, sources, query, sums)


def buckets_of_each(
    connection: Connection, index: str, keys: Sequence[str], queries: Sequence[Mapping[str, Any] | None]
) -> Iterator[Iterator[dict[str, Any]]]:
    """Like `buckets`, for each query at the same point in time; the key of documents without a value is None."""
    with point_in_time(connection, index) as point:
        for query in queries:
            yield _pages(connection, point, _terms(keys, missing_bucket=True), query)


def _terms(keys: Sequence[str], **more: bool) -> list[dict[str, Any]]:
    return [{key: {"terms": {"field": key} | more}} for key in keys]


def _pages(
    connection: Connection,
    point: dict[str, str],
    sources: list[dict[str, Any]],
    query: Mapping[str, Any] | None,
    sums: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """The groups of one search, page by page."""
    composite: dict[str, Any] = {"size": LARGEST_PAGE, "sources": sources}
    body: dict[str, Any] = {
        "size": 0,
        "track_total_hits": False,
        "aggs": {"rows": {"composite": composite, "aggs": {name: {"sum": {"field": name}} for name in sums}}},
    }
    if query is not None:
        body["query"] = query
    while True:
        answer = complete(connection, search_once(connection, body | {"pit": dict(point)}), _AggregationPage)
        found = answer.aggregations.rows
        point["id"] = answer.pit_id or point["id"]
        yield from found.buckets
        if found.after_key is None or len(found.buckets) < LARGEST_PAGE:
            return
        composite["after"] = found.after_key


def extent_of(connection: Connection, index: str, query: Mapping[str, Any] | None) -> Extent:
    """Number of events of indices that match a query, and their first and last event time."""
    body: dict[str, Any] = {"size": 1, "track_total_hits": True, "_source": ["event_time"]}
    if query is not None:
        body["query"] = query
    found: list[_Edge] = []
    with point_in_time(connection, index) as point:
        for order in ("asc", "desc"):
            data = search_once(connection, body | {"sort": [_edge(order)], "pit": dict(point)})
            found.append(complete(connection, data, _Edge))
    first, last = (_time_of(connection, edge.hits.hits[0]) if edge.hits.hits else None for edge in found)
    return Extent(found[0].hits.total.value, first, last)


def _time_of(connection: Connection, hit: _EdgeHit) -> datetime:
    event_id(connection, hit)
    if hit.source.event_time is None:
        raise foreign_document(connection, hit)
    return parse_time(hit.source.event_time)


def _edge(order: str) -> dict[str, Any]:
    """Sort by event time; a document without one comes first, so that it is found."""
    return {"event_time": {"order": order, "missing": "_first"}}
