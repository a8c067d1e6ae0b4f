"""Conflicts: duplicates that differ from the stored event in a field that their message carried.

The stored event stays. The duplicate is counted as one, and its message is kept whole as a reject of kind `conflict`.
"""

from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.codecs.rejection import shown
from advertisex.feeds import FEEDS
from advertisex.model import CARRIED, EVENT_COLUMNS, REJECT_COLUMNS, Batch, Outcome

_STORED = ".stored"


def own_columns(outcome: Outcome) -> list[str]:
    """The columns of an outcome's events that belong to the feed, in storage order."""
    return [name for name in outcome.events.columns if name not in EVENT_COLUMNS and not name.startswith(CARRIED)]


def conflicts(outcome: Outcome, duplicates: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Find the conflicts among duplicates.

    Args:
        outcome: the outcome that the duplicates belong to.
        duplicates: rows of its `events` or `repeated`.
        stored: the stored events with the same ids, one for each: event_id and `own_columns`.

    Returns:
        The conflicts as rejects (`REJECT_COLUMNS`), in offset order. The detail has each field that differs, with both
        values; if the users differ, only their names, because an erasure finds a reject by the user of its message.
    """
    if duplicates.is_empty():
        return pl.DataFrame(schema=REJECT_COLUMNS)
    feed = FEEDS[outcome.feed]
    derived = {name for name, _, _ in feed.derived}
    users = {field.column for field in feed.fields if field.kind == "user"}
    names = [name for name in own_columns(outcome) if name not in derived]
    pairs = duplicates.join(stored.select("event_id", *names), on="event_id", suffix=_STORED)
    differs = {name: _is_carried(name, pairs) & pl.col(name).ne_missing(pl.col(name + _STORED)) for name in names}
    found = pairs.filter(pl.any_horizontal(differs.values())).sort("offset")
    if found.is_empty():
        return pl.DataFrame(schema=REJECT_COLUMNS)
    flags = found.select(expression.alias(name) for name, expression in differs.items())
    details = [
        "; ".join(
            _difference(name, row, same_user=not any(differing[user] for user in users))
            for name in names
            if differing[name]
        )
        for row, differing in zip(found.iter_rows(named=True), flags.iter_rows(named=True), strict=True)
    ]
    return kept_whole(outcome.messages, found["offset"].to_list(), "conflict", "conflicting_duplicate", details)


def kept_whole(messages: Batch, offsets: list[int], kind: str, reason: str, details: list[str]) -> pl.DataFrame:
    """Rejects that only the store can find (`REJECT_COLUMNS`), each with its whole message.

    Args:
        messages: the batch.
        offsets: offsets of the messages, ascending.
        kind: kind of the rejects.
        reason: reason code of the rejects.
        details: the detail of each.
    """
    rows = {offset: row for row, offset in enumerate(messages.offsets)}
    chosen = [rows[offset] for offset in offsets]
    columns = {
        "offset": offsets,
        "kind": [kind] * len(chosen),
        "stage": ["store"] * len(chosen),
        "reason": [reason] * len(chosen),
        "detail": details,
        "payload": [messages.payloads[row] for row in chosen],
        "ingested_at": pl.Series([messages.ingested_at[row] for row in chosen], dtype=pl.Int64).cast(pl.Datetime("us")),
    }
    return pl.DataFrame(columns, schema=REJECT_COLUMNS)


def _difference(name: str, row: dict[str, Any], *, same_user: bool) -> str:
    if not same_user:  # nothing of one user may remain in the reject of another
        return f"{name}: differs from that of the stored event"
    if row[name + _STORED] is None:
        return f"{name}: {_text(row[name])}, but the stored event has none"
    return f"{name}: {_text(row[name])} differs from the stored {_text(row[name + _STORED])}"


def _is_carried(name: str, pairs: pl.DataFrame) -> pl.Expr:
    flag = CARRIED + name
    return pl.col(flag) if flag in pairs.columns else pl.col(name).is_not_null()


def _text(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else shown(value)
