"""Exact searches in Elasticsearch: all committed documents at one point in time, page by page, or an error.

Documents are returned as JSON, or as frames with the dtypes of the store contract.
"""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec
import polars as pl

from advertisex.errors import StoreError
from advertisex.feeds.feed import AMOUNT
from advertisex.stores.contract import Extent
from advertisex.stores.elasticsearch.client import Answer, Connection
from advertisex.stores.elasticsearch.retry import Backoff
from advertisex.stores.elasticsearch.times import TIME_FORMAT, parse_time

#: Elasticsearch's limit on the hits of a page.
LARGEST_PAGE = 10_000
#: Approximate size of a response in bytes: documents may be large.
_ANSWER_BYTES = 16_000_000
_KEEP = "10m"
_FIRST_PAGE = 2_000

_PYTHON: dict[pl.DataType, Any] = {
    pl.String(): str | None,
    pl.Int64(): int | None,
    pl.Int32(): int | None,
    pl.Int16(): int | None,
    pl.Boolean(): bool | None,
    AMOUNT: str | None,
    pl.Datetime("us"): str | None,
    pl.Binary(): str | None,
}


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
    aggregations: _Aggregations | None = None  # none without indices
    pit_id: str = ""


def search_all(
    connection: Connection,
    index: str,
    order: Sequence[Mapping[str, str]],
    *,
    query: Mapping[str, Any] | None = None,
    limit: int | None = None,
    source: bool | Sequence[str] = True,
    forever: bool = False,
) -> Iterator[list[Hit]]:
    """All documents of an index or alias that match a query, in pages; none if the index does not exist.

    The next page is fetched while the current one is used. Documents are fetched whole: for Elasticsearch, leaving
    out fields is slower than sending them (125,000 instead of 200,000 documents/s).

    Args:
        connection: connection to the cluster.
        index: index or alias.
        order: fields to sort by; together they must be unique, so that no page skips a document.
        query: Elasticsearch query; None matches all.
        limit: maximum number of documents.
        source: the fields to return; all by default.
        forever: wait for an unreachable cluster, as a commit does.
    """
    body: dict[str, Any] = {"sort": list(order), "track_total_hits": False, "_source": source}
    if query is not None:
        body["query"] = query
    remaining = limit
    size = _FIRST_PAGE if remaining is None else min(_FIRST_PAGE, remaining)
    with _point_in_time(connection, index, forever=forever) as point, ThreadPoolExecutor(1) as fetching:
        if not point or not size:
            return
        page: Future[bytes] | None = fetching.submit(
            _search, connection, body | {"size": size, "pit": dict(point)}, forever=forever
        )
        while page is not None:
            data = page.result()
            answer = msgspec.json.decode(data, type=_Page)
            hits, page = answer.hits.hits, None
            if answer.timed_out:
                raise StoreError("the search timed out", where=str(connection.address), hint="run this again")
            remaining = None if remaining is None else remaining - len(hits)
            if len(hits) == size and remaining != 0:
                fitting = max(1, min(LARGEST_PAGE, _ANSWER_BYTES * len(hits) // len(data)))
                size = fitting if remaining is None else min(fitting, remaining)
                point["id"] = answer.pit_id or point["id"]
                body["search_after"] = hits[-1].sort
                page = fetching.submit(_search, connection, body | {"size": size, "pit": dict(point)}, forever=forever)
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
            if answer.aggregations is None:
                return
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
    first, last = ((parse_time(edge.hits.hits[0].source.event_time) if edge.hits.hits else None) for edge in found)
    return Extent(found[0].hits.total.value, first, last)


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
    # a `filter_path` would make the response smaller, but the server slower
    path = "/_search?allow_partial_search_results=false"
    return connection.request("POST", path, body, backoff=_backoff(connection, forever=forever)).data


def _backoff(connection: Connection, *, forever: bool) -> Backoff | None:
    return connection.backoff("read the event store", None) if forever else None


def frames(
    connection: Connection, index: str, columns: Mapping[str, pl.DataType], query: Mapping[str, Any] | None
) -> Iterator[pl.DataFrame]:
    """The documents of an index that match a query, as frames with these columns; `event_id` is the document id."""
    for page in search_all(connection, index, [{"_shard_doc": "asc"}], query=query):
        ids = [bytes.fromhex(hit.id) for hit in page] if "event_id" in columns else []
        yield frame_of([hit.source for hit in page], columns, ids)


@cache
def _decoder(columns: tuple[tuple[str, pl.DataType], ...]) -> Callable[[msgspec.Raw], Any]:
    """A decoder of these fields of a document, which skips the others; the exact text of amounts is in `exact`."""
    fields: dict[bool, list[tuple[str, Any, Any]]] = {False: [], True: []}
    names: dict[str, str] = {}
    for i, (name, dtype) in enumerate(columns):
        fields[dtype == AMOUNT].append((f"c{i}", _PYTHON[dtype], None))
        names[f"c{i}"] = name
    exact = msgspec.defstruct("Exact", fields[True], rename=names, gc=False)
    fields[False].append(("exact", exact, msgspec.field(default_factory=exact)))
    return msgspec.json.Decoder(msgspec.defstruct("Row", fields[False], rename=names, gc=False)).decode


def frame_of(
    sources: Sequence[msgspec.Raw], columns: Mapping[str, pl.DataType], ids: Sequence[bytes] = ()
) -> pl.DataFrame:
    """Documents as a frame with these columns; `ids` are the values of `event_id`."""
    own = [(name, dtype) for name, dtype in columns.items() if name != "event_id"]
    decode = _decoder(tuple(own))
    rows = [decode(source) for source in sources]
    exact = [row.exact for row in rows] if AMOUNT in columns.values() else []
    series = {
        name: _series(name, [getattr(row, f"c{i}") for row in (exact if dtype == AMOUNT else rows)], dtype)
        for i, (name, dtype) in enumerate(own)
    }
    if "event_id" in columns:
        series["event_id"] = pl.Series("event_id", ids, dtype=pl.Binary)
    return pl.DataFrame([series[name] for name in columns])


def _series(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    if dtype == pl.Datetime:
        return pl.Series(name, values, dtype=pl.String).str.to_datetime(TIME_FORMAT, time_unit="us")
    if dtype == pl.Binary:
        return pl.Series(name, [None if v is None else b64decode(v) for v in values], dtype=pl.Binary)
    if dtype == AMOUNT:
        return pl.Series(name, values, dtype=pl.String).cast(AMOUNT)
    return pl.Series(name, values, dtype=dtype)
