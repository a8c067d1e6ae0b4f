"""Filters on stored documents as queries of Elasticsearch."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from advertisex.model import Position
from advertisex.stores.contract import Range, RejectQuery
from advertisex.stores.elasticsearch.times import iso

#: The range of `date_nanos`.
_EARLIEST, _LATEST = datetime(1970, 1, 1), datetime(2262, 4, 11)  # noqa: DTZ001 - UTC without a zone, as `Range`

#: A query has at most so many values, of up to 2 KB: a request has at most 100 MB (`http.max_content_length`).
_TERMS = 20_000


def event_conditions(within: Range, slices: range | None = None) -> list[dict[str, Any]]:
    """The conditions for events within a range; bounds outside the range of `date_nanos` exclude nothing."""
    return [
        *between("event_time", within.since, within.until),
        *between("ingested_at", within.ingested_since, within.ingested_until),
        *stored_by(within.as_of),
        *([] if slices is None else [{"range": {"user_slice": {"gte": slices.start, "lt": slices.stop}}}]),
        *([{"bool": {"must_not": _existing(within.lacking)}}] if within.lacking else []),
        *([{"bool": {"should": _existing(within.having)}}] if within.having else []),
    ]


def having_any(values: pl.Series) -> Iterator[list[dict[str, Any]]]:
    """The conditions for documents with one of these values in the field that the series is named after.

    Each yields a part of the documents; together they are all of them, once. The text of the field must be indexed, as
    ids always are.
    """
    distinct = values.unique()
    for start in range(0, len(distinct), _TERMS):
        yield [{"terms": {values.name: distinct[start : start + _TERMS].to_list()}}]


def _existing(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"exists": {"field": name}} for name in names]


def between(field: str, since: datetime | None, until: datetime | None) -> list[dict[str, Any]]:
    """The conditions for a time field from `since` (inclusive) to `until` (exclusive)."""
    bounds: dict[str, str] = {}
    if since is not None and since > _EARLIEST:
        bounds["gte"] = iso(min(since, _LATEST))
    if until is not None and until < _LATEST:
        bounds["lt"] = iso(max(until, _EARLIEST))
    return [{"range": {field: bounds}}] if bounds else []


def stored_by(as_of: datetime | None, field: str = "processed_at") -> list[dict[str, Any]]:
    """The conditions for documents stored at or before a time, which is in this field."""
    if as_of is None or as_of >= _LATEST:
        return []
    return [{"range": {field: {"lte": iso(max(as_of, _EARLIEST))}}}]


def all_of(conditions: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """A query for documents that meet all conditions; None without conditions."""
    return {"bool": {"filter": list(conditions)}} if conditions else None


def reject_query(query: RejectQuery) -> dict[str, Any] | None:
    """The Elasticsearch query for rejects; None matches all."""
    given = [(name, value) for name in ("reason", "feed", "kind") if (value := getattr(query, name)) is not None]
    conditions: list[dict[str, Any]] = [{"term": {name: value}} for name, value in given]
    if query.positions is not None:
        conditions.append({"ids": {"values": ["-".join(map(str, position)) for position in query.positions]}})
    for column, is_marked in (("replayed_to", query.replayed), ("resolution", query.resolved)):
        marked = {"exists": {"field": column}}
        if is_marked is not None:
            conditions.append(marked if is_marked else {"bool": {"must_not": marked}})
    if query.after is not None:
        conditions.append({"bool": {"should": list(_after(query.after))}})
    return all_of([*conditions, *between("ingested_at", query.since, query.until), *stored_by(query.as_of)])


def _after(position: Position) -> Iterator[dict[str, Any]]:
    """The conditions of which a document at a later position meets one."""
    parts = list(position._asdict().items())
    for number, (name, value) in enumerate(parts):
        same = [{"term": {before: equal}} for before, equal in parts[:number]]
        yield {"bool": {"filter": [*same, {"range": {name: {"gt": value}}}]}}
