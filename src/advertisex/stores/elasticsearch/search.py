"""Exact searches in Elasticsearch: all committed documents at one point in time, page by page, or an error."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from advertisex.errors import StoreError
from advertisex.stores.contract import Extent, Range
from advertisex.stores.elasticsearch.client import Answer, Connection
from advertisex.stores.elasticsearch.retry import Backoff

#: Elasticsearch returns no more hits per page.
LARGEST_PAGE = 10_000
#: Approximate size of a response in bytes: documents may be large.
_ANSWER_BYTES = 16_000_000
_KEEP = "10m"
_FIRST_PAGE = 2_000

#: The range of `date_nanos`.
_EARLIEST, _LATEST = datetime(1970, 1, 1), datetime(2262, 4, 11)  # noqa: DTZ001 - UTC without a zone, as `Range`


class Hit(msgspec.Struct):
    """A matching document; `source` is its JSON."""

    sort: list[Any]
    id: str = msgspec.field(name="_id", default="")
    index: str = msgspec.field(name="_index", default="")
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))


class _Hits(msgspec.Struct):
    hits: list[Hit] = []


class _Page(msgspec.Struct):
    hits: _Hits = msgspec.field(default_factory=_Hits)
    pit_id: str = ""
    timed_out: bool = False


class _Total(msgspec.Struct):
    value: int


class _Time(msgspec.Struct):
    event_time: str


class _EdgeHit(msgspec.Struct):
    source: _Time = msgspec.field(name="_source")


class _EdgeHits(msgspec.Struct):
    total: _Total
    hits: list[_EdgeHit] = []


class _Edge(msgspec.Struct):
    hits: _EdgeHits


class _Buckets(msgspec.Struct):
    after_key: dict[str, Any] | None = None
    buckets: list[dict[str, Any]] = []


class _Aggregations(msgspec.Struct):
    rows: _Buckets


class _AggregationPage(msgspec.Struct):
    aggregations: _Aggregations
    pit_id: str = ""


def search_all(
    connection: Connection,
    index: str,
    order: Sequence[Mapping[str, str]],
    *,
    query: Mapping[str, Any] | None = None,
    limit: int | None = None,
    forever: bool = False,
) -> Iterator[list[Hit]]:
    """All documents of an index or alias that match a query, in pages; none if the index does not exist.

    The next page is fetched while the current one is used. Documents are fetched whole: for Elasticsearch, leaving
    out fields is slower than sending them (125,000 and 200,000 documents a second here).

    Args:
        connection: connection to the cluster.
        index: index or alias.
        order: fields to sort by; together they must be unique, so that no page skips a document.
        query: Elasticsearch query; None matches all.
        limit: maximum number of documents.
        forever: wait for an unreachable cluster, as a commit does.
    """
    body: dict[str, Any] = {"sort": list(order), "track_total_hits": False, "_source": True}
    if query is not None:
        body["query"] = query
    left = limit
    asked = _FIRST_PAGE if left is None else min(_FIRST_PAGE, left)
    with _point_in_time(connection, index, forever=forever) as point, ThreadPoolExecutor(1) as fetching:
        if not point or not asked:
            return
        page: Future[bytes] | None = fetching.submit(
            _search, connection, body | {"size": asked, "pit": dict(point)}, forever=forever
        )
        while page is not None:
            data = page.result()
            answer = msgspec.json.decode(data, type=_Page)
            hits, page = answer.hits.hits, None
            if answer.timed_out:
                raise StoreError("the search timed out", where=str(connection.address), hint="run this again")
            left = None if left is None else left - len(hits)
            if len(hits) == asked and left != 0:
                fitting = max(1, min(LARGEST_PAGE, _ANSWER_BYTES * len(hits) // len(data)))
                asked = fitting if left is None else min(fitting, left)
                point["id"] = answer.pit_id or point["id"]
                body["search_after"] = hits[-1].sort
                page = fetching.submit(_search, connection, body | {"size": asked, "pit": dict(point)}, forever=forever)
            if hits:
                yield hits


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
        index: index or alias; no groups if it does not exist.
        keys: keyword fields to group by.
        query: Elasticsearch query; None matches all.
        hours: a time field to group by as well, by hour; its key is in milliseconds since the epoch.
        sums: fields to add up.
    """
    sources: list[dict[str, Any]] = [{key: {"terms": {"field": key}}} for key in keys]
    if hours is not None:
        sources.append({hours: {"date_histogram": {"field": hours, "fixed_interval": "1h"}}})
    composite: dict[str, Any] = {"size": LARGEST_PAGE, "sources": sources}
    body: dict[str, Any] = {
        "size": 0,
        "track_total_hits": False,
        "aggs": {"rows": {"composite": composite, "aggs": {name: {"sum": {"field": name}} for name in sums}}},
    }
    if query is not None:
        body["query"] = query
    with _point_in_time(connection, index) as point:
        while point:
            data = _search(connection, body | {"pit": point})
            answer = msgspec.json.decode(data, type=_AggregationPage)
            found = answer.aggregations.rows
            yield from found.buckets
            if found.after_key is None or len(found.buckets) < LARGEST_PAGE:
                return
            composite["after"] = found.after_key
            point["id"] = answer.pit_id or point["id"]


def extent_of(connection: Connection, index: str, query: Mapping[str, Any] | None) -> Extent:
    """Number of events of an index or alias that match a query, and their first and last event time."""
    body: dict[str, Any] = {"size": 1, "track_total_hits": True, "_source": ["event_time"]}
    if query is not None:
        body["query"] = query
    found: list[_Edge] = []
    with _point_in_time(connection, index) as point:
        if not point:
            return Extent()
        for order in ("asc", "desc"):
            data = _search(connection, body | {"sort": [{"event_time": order}], "pit": dict(point)})
            found.append(msgspec.json.decode(data, type=_Edge))
    first, last = ((edge.hits.hits[0].source.event_time if edge.hits.hits else None) for edge in found)
    return Extent(found[0].hits.total.value, _parse_time(first), _parse_time(last))


def in_range(within: Range) -> list[dict[str, Any]]:
    """The conditions for events within a range; bounds outside the range of `date_nanos` exclude nothing."""
    return [
        *between("event_time", within.since, within.until),
        *between("ingested_at", within.ingested_since, within.ingested_until),
        *stored_by(within.as_of),
    ]


def between(field: str, since: datetime | None, until: datetime | None) -> list[dict[str, Any]]:
    """The conditions for a time field from `since` (inclusive) to `until` (exclusive)."""
    bounds: dict[str, str] = {}
    if since is not None and since > _EARLIEST:
        bounds["gte"] = _iso(min(since, _LATEST))
    if until is not None and until < _LATEST:
        bounds["lt"] = _iso(max(until, _EARLIEST))
    return [{"range": {field: bounds}}] if bounds else []


def stored_by(as_of: datetime | None) -> list[dict[str, Any]]:
    """The conditions for documents processed at or before a time."""
    if as_of is None or as_of >= _LATEST:
        return []
    return [{"range": {"processed_at": {"lte": _iso(max(as_of, _EARLIEST))}}}]


def all_of(conditions: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """A query for documents that meet all conditions; None without conditions."""
    return {"bool": {"filter": list(conditions)}} if conditions else None


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=None)


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="microseconds") + "Z"


@contextmanager
def _point_in_time(connection: Connection, index: str, *, forever: bool = False) -> Iterator[dict[str, str]]:
    """A snapshot of an index with everything committed so far; empty if the index does not exist."""

    def ask(method: str, path: str, body: object | None = None) -> Answer:
        backoff = _backoff(connection, forever=forever)
        answer = connection.request(method, path, body, accept={404}, backoff=backoff)
        if backoff:
            backoff.done()
        return answer

    name = quote(index)
    exists = ask("POST", f"/{name}/_refresh").status < 300
    opened = ask("POST", f"/{name}/_pit?keep_alive={_KEEP}") if exists else None
    if opened is None or opened.status >= 300:
        yield {}
        return
    point = {"id": opened.json()["id"], "keep_alive": _KEEP}
    try:
        yield point
    finally:
        ask("DELETE", "/_pit", {"id": point["id"]})


def _search(connection: Connection, body: Mapping[str, Any], *, forever: bool = False) -> bytes:
    # A `filter_path` would make the response smaller, but the server slower
    path = "/_search?allow_partial_search_results=false"
    return connection.request("POST", path, body, backoff=_backoff(connection, forever=forever)).data


def _backoff(connection: Connection, *, forever: bool) -> Backoff | None:
    return connection.backoff("read the event store", None) if forever else None
