"""Filters on stored rows as SQL: WHERE clauses and their parameter values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from advertisex.stores.contract import Range, RejectQuery


def event_conditions(within: Range, slices: range | None = None) -> tuple[str, list[Any]]:
    """The filter on a table of events."""
    where, values = _where(
        ("event_time >= ?", within.since),
        ("event_time < ?", within.until),
        ("processed_at <= ?", within.as_of),
        ("ingested_at >= ?", within.ingested_since),
        ("ingested_at < ?", within.ingested_until),
        ("user_slice >= ?", slices.start if slices is not None else None),
        ("user_slice < ?", slices.stop if slices is not None else None),
    )
    more = [f'"{name}" IS NULL' for name in within.lacking]
    if within.having:
        names = ", ".join(f'"{name}"' for name in within.having)
        more.append(f"coalesce({names}) IS NOT NULL")
    return _and(where, more), values


def commit_conditions(since: datetime | None) -> tuple[str, list[Any]]:
    """The filter on the ledger history."""
    return _where(("committed_at >= ?", since))


def reject_conditions(query: RejectQuery) -> tuple[str, list[Any]]:
    """The filter on the table of rejects, without its `limit`."""
    where, values = _where(
        ("kind = ?", query.kind),
        ("reason = ?", query.reason),
        ("feed = ?", query.feed),
        ("ingested_at >= ?", query.since),
        ("ingested_at < ?", query.until),
        ("processed_at <= ?", query.as_of),
    )
    more = []
    for column, is_marked in (("replayed_to", query.replayed), ("resolution", query.resolved)):
        if is_marked is not None:
            more.append(f"{column} IS {'NOT ' if is_marked else ''}NULL")
    if query.positions is not None:
        rows = ", ".join(["(?, ?, ?)"] * len(query.positions))
        more.append(f'(topic, partition, "offset") IN ({rows})' if rows else "false")
        values += [part for position in query.positions for part in position]
    if query.after is not None:
        more.append('(topic, partition, "offset") > (?, ?, ?)')
        values += query.after
    return _and(where, more), values


def _and(where: str, more: Sequence[str]) -> str:
    """A WHERE clause with more conditions."""
    return " AND ".join([where or "WHERE true", *more]) if more else where


def _where(*conditions: tuple[str, Any]) -> tuple[str, list[Any]]:
    """A WHERE clause of the conditions whose value is not None, and these values."""
    given = [(condition, value) for condition, value in conditions if value is not None]
    clause = f"WHERE {' AND '.join(condition for condition, _ in given)}" if given else ""
    return clause, [value for _, value in given]
