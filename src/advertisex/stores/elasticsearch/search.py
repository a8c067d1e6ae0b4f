"""Exact searches in Elasticsearch: all committed documents at one point in time, page by page, or an error."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from advertisex.errors import StoreError
from advertisex.stores.elasticsearch.client import Answer, Connection
from advertisex.stores.elasticsearch.retry import Backoff

#: Elasticsearch's limit on the hits of a page.
LARGEST_PAGE = 10_000
#: Approximate size of a response in bytes: documents may be large.
_ANSWER_BYTES = 16_000_000
_KEEP = "10m"
_FIRST_PAGE = 2_000


class Hit(msgspec.Struct):
    """A matching document; `source` is its JSON."""

    sort: list[Any]
    id: str = msgspec.field(name="_id", default="")
    index: str = msgspec.field(name="_index", default="")
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))


class _Shards(msgspec.Struct):
    failed: int = 0


class Response(msgspec.Struct, kw_only=True):
    """What the response to any search states."""

    pit_id: str = ""
    timed_out: bool = False
    shards: _Shards = msgspec.field(name="_shards", default_factory=_Shards)


R = TypeVar("R", bound=Response)


class _Hits(msgspec.Struct):
    hits: list[Hit] = []


class Page(Response):
    """The response to a search for documents."""

    hits: _Hits = msgspec.field(default_factory=_Hits)


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
    """All documents of an index or alias that match a query, in pages.

    The next page is fetched while the current one is used. Documents are fetched whole: for Elasticsearch, leaving
    out fields is slower than sending them (125,000 instead of 200,000 documents/s).

    Args:
        connection: connection to the cluster.
        index: indices or an alias; a missing one is an error.
        order: fields to sort by; together they must be unique, so that no page skips a document.
        query: Elasticsearch query; None matches all.
        limit: maximum number of documents.
        source: the fields to return; all by default.
        forever: wait for an unreachable cluster, as a commit does.
    """
    body = search_body(order, query) | {"_source": source}
    remaining = limit
    size = _FIRST_PAGE if remaining is None else min(_FIRST_PAGE, remaining)
    with point_in_time(connection, index, forever=forever) as point, ThreadPoolExecutor(1) as fetching:
        if not size:
            return
        page: Future[bytes] | None = fetching.submit(
            search_once, connection, body | {"size": size, "pit": dict(point)}, forever=forever
        )
        while page is not None:
            data = page.result()
            answer = complete(connection, data, Page)
            hits, page = answer.hits.hits, None
            remaining = None if remaining is None else remaining - len(hits)
            if len(hits) == size and remaining != 0:
                fitting = max(1, min(LARGEST_PAGE, _ANSWER_BYTES * len(hits) // len(data)))
                size = fitting if remaining is None else min(fitting, remaining)
                point["id"] = answer.pit_id or point["id"]
                body["search_after"] = hits[-1].sort
                page = fetching.submit(
                    search_once, connection, body | {"size": size, "pit": dict(point)}, forever=forever
                )
            if hits:
                yield hits


def search_body(order: Sequence[Mapping[str, str]], query: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body of a search in an order, without its size and its point in time; None matches all."""
    return {"sort": list(order), "track_total_hits": False} | ({} if query is None else {"query": query})


def complete(connection: Connection, data: bytes, kind: type[R]) -> R:
    """Decode the response to a search, which must have read everything.

    Raises:
        StoreError: it timed out, or could not read a shard.
    """
    response = msgspec.json.decode(data, type=kind)
    if response.timed_out:
        raise StoreError("the search timed out", where=str(connection.address), hint="run this again")
    if failed := response.shards.failed:
        what = f"the search is incomplete: {failed:,} of its shards failed"
        raise StoreError(what, where=str(connection.address), hint="see the cluster's log, then run this again")
    return response


@contextmanager
def point_in_time(connection: Connection, index: str, *, forever: bool = False) -> Iterator[dict[str, str]]:
    """A snapshot of indices with everything committed so far.

    Raises:
        StoreError: an index does not exist, is closed, or cannot be read.
    """

    def ask(method: str, path: str, body: object | None = None, accept: Collection[int] = ()) -> Answer:
        backoff = _backoff(connection, forever=forever)
        answer = connection.request(method, path, body, accept=accept, backoff=backoff)
        if backoff:
            backoff.done()
        return answer

    name = quote(index)
    ask("POST", f"/{name}/_refresh")
    point = {"id": ask("POST", f"/{name}/_pit?keep_alive={_KEEP}").json()["id"], "keep_alive": _KEEP}
    try:
        yield point
    finally:
        ask("DELETE", "/_pit", {"id": point["id"]}, accept={404})


def search_once(connection: Connection, body: Mapping[str, Any], *, forever: bool = False) -> bytes:
    """The response to one search, complete or an error."""
    # a `filter_path` would make the response smaller, but the server slower
    path = "/_search?allow_partial_search_results=false"
    return connection.request("POST", path, body, backoff=_backoff(connection, forever=forever)).data


def _backoff(connection: Connection, *, forever: bool) -> Backoff | None:
    return connection.backoff("read the event store", None) if forever else None
