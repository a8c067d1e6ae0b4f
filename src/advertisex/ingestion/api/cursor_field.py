"""The field that orders the records of a source, such as updated_at."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from advertisex.codecs.json_text import NOT_JSON, at_path, json_object
from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.api.cursor_value import CursorValue, cursor_value
from advertisex.ingestion.records import Record


def cursor_of(record: Record, field: str, *, is_time: bool) -> CursorValue | None:
    """Return the value of a field of a record; None if it is missing or cannot be a cursor.

    Args:
        record: the record.
        field: name of the field, a dotted path in JSON.
        is_time: whether numbers are epochs; otherwise they may be ids.
    """
    try:
        value = _value(record, field)
        if isinstance(value, date):  # of Avro
            value = value.isoformat()
        found = None if value is None else cursor_value(value)
        if found and is_time:
            found.time()
    except (*NOT_JSON, SourceError, ConfigurationError):
        return None
    return found


def is_before(value: CursorValue, other: CursorValue) -> bool:
    """Whether a value comes before another one of its kind."""
    return value.kind == other.kind and value < other


def is_future(value: CursorValue, now: datetime, *, is_time: bool) -> bool:
    """Whether a value is more than a day after now, so that it would skip all others until then.

    Args:
        value: the value.
        now: the present time, in UTC.
        is_time: whether numbers are epochs; otherwise they may be ids, which are not compared with a time.

    For example, on 2026-01-01, the time 2026-02-01 is in the future; the number 1769904000 is if it is an epoch, and
    not if it may be an id.
    """
    return (is_time or value.kind != "number") and value.time() > now + timedelta(days=1)


def check_since(since: str, where: str) -> None:
    """Raise ConfigurationError unless a text is a number or a time where a poll can start; `where` names the option."""
    try:
        cursor_value(since)
    except SourceError as error:
        hint = "write it as the source does, or as 2026-01-05"
        raise ConfigurationError(error.what, where=where, hint=hint) from error


def _value(record: Record, field: str) -> Any:
    if isinstance(record, dict):
        return at_path(record, field)
    raw = at_path(json_object(record), field)
    return msgspec.json.decode(raw) if isinstance(raw, msgspec.Raw) else raw
