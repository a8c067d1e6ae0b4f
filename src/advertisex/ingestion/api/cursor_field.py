"""The field that orders the records of a source, such as updated_at."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from advertisex.codecs.json_text import NOT_JSON, at_path, json_object
from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.api.cursor_value import CursorValue, cursor_value
from advertisex.ingestion.records import Record

#: An earlier epoch is more likely to be an id.
_FIRST_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


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


def latest_of(now: datetime, known: Iterable[CursorValue]) -> tuple[datetime, int | None]:
    """Return the last values that a cursor may have, a day after now: a time and a number.

    Args:
        now: the present time, in UTC.
        known: where polls started, and how far the cursor is. Numbers are epochs if all of these are plausible times;
            otherwise they may be ids, of any size.
    """
    last, per_second = now + timedelta(days=1), None
    for value in known:
        try:
            if not _FIRST_EPOCH < value.time() <= last:
                return last, None
        except ConfigurationError:
            return last, None
        per_second = value.per_second() if value.kind == "number" else per_second
    return last, per_second and int(last.timestamp()) * per_second


def is_beyond(value: CursorValue, latest: tuple[datetime, int | None], *, is_time: bool) -> bool:
    """Whether a value is after the latest one, so that it would skip all others until then.

    Args:
        value: the value.
        latest: the last time and number.
        is_time: whether numbers are epochs; otherwise they are compared only with a number.
    """
    time, number = latest
    if value.kind == "number" and number is not None:
        return value.nanos > number * 10**9
    return (is_time or value.kind != "number") and value.time() > time


def is_earlier(value: CursorValue, other: CursorValue) -> bool:
    """Whether a value is before another one; times of different notations are comparable."""
    numbers = (value.kind == "number") + (other.kind == "number")
    return is_before(value, other) if numbers else value.time() < other.time()


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
