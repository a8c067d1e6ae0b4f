"""Searches for documents that may be large: pages of bounded size, by the `bytes` that each document states."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.search import (
    LARGEST_PAGE,
    Hit,
    Page,
    Response,
    complete,
    point_in_time,
    search_body,
    search_once,
)
from advertisex.stores.reject_pages import page_lengths


class _Fields(msgspec.Struct):
    bytes: list[int] = []


class _SizeHit(msgspec.Struct):
    fields: _Fields = msgspec.field(default_factory=_Fields)


class _SizeHits(msgspec.Struct):
    hits: list[_SizeHit] = []


class _Sizes(Response):
    hits: _SizeHits


def search_by_size(
    connection: Connection,
    index: str,
    order: Sequence[Mapping[str, str]],
    *,
    query: Mapping[str, Any] | None = None,
    limit: int | None = None,
    source: bool | Sequence[str] = True,
) -> Iterator[list[Hit]]:
    """All documents of an index that match a query, as `search_all`; first their sizes, then pages that fit."""
    body, remaining = search_body(order, query), limit
    with point_in_time(connection, index) as point:

        def search(size: int, more: Mapping[str, Any]) -> bytes:
            return search_once(connection, {**body, **more, "size": size, "pit": dict(point)})

        while remaining != 0:
            asked = LARGEST_PAGE if remaining is None else min(LARGEST_PAGE, remaining)
            data = search(asked, {"_source": False, "docvalue_fields": ["bytes"]})
            sizes = [sum(hit.fields.bytes) for hit in complete(connection, data, _Sizes).hits.hits]
            for length in page_lengths(sizes):
                page = complete(connection, search(length, {"_source": source}), Page)
                point["id"] = page.pit_id or point["id"]
                body["search_after"] = page.hits.hits[-1].sort
                yield page.hits.hits
            if len(sizes) < asked:
                return
            remaining = None if remaining is None else remaining - len(sizes)
