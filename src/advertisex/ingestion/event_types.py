"""What the texts of a flag or type column mean, and which of them are new to a log."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import msgspec
import polars as pl

from advertisex.codecs.json_encode import json_value
from advertisex.codecs.json_text import NOT_JSON, at_path
from advertisex.feeds import Feed, Field
from advertisex.feeds.feed import DTYPES
from advertisex.feeds.words import FALSE, TRUE, is_missing
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Record
from advertisex.limits import Limit
from advertisex.logs.contract import EventLog

MOST_TYPES = Limit(1_000, "texts", of="the new conversion types that an ingest reports", beyond="not reported")
_LONGEST = 200
#: What follows the name of a field in JSON: the beginning of a text, a flag or a number.
_VALUE = rb'\s*:\s*("[^"\\]*|true|false|-?[0-9][0-9.eE+-]*)'

_fields = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text of a flag or type column means.

    Attributes:
        text: the text.
        meaning: what it was taken to mean, such as "a click".
        conversion: whether it is the name of a conversion.
        rejected: the requirement that it breaks; empty if it is valid.
    """

    text: str
    meaning: str
    conversion: bool = False
    rejected: str = ""


def meanings(texts: Sequence[str], field: Field, feed: Feed) -> list[Meaning]:
    """Return what each text of a field means by itself: without counts in other columns.

    Args:
        texts: texts as sent.
        field: a field of the kind `flag` or `event_type`.
        feed: its feed.
    """
    if field.kind == "flag":
        return [_flag(text, field) for text in texts]
    if not texts:
        return []
    frame = _alone([None if is_missing(text) else text.strip() for text in texts], field, feed)
    frame = frame.with_columns(computed.value.alias(computed.column) for computed in feed.computed)
    rules = [rule for rule in feed.rules if rule.field == field.name and not field.required]
    broken = frame.select(rule.broken.fill_null(value=False).alias(str(n)) for n, rule in enumerate(rules))
    failing = [next((rules[n].requirement for n, bad in enumerate(row) if bad), "") for row in broken.iter_rows()]
    columns = zip(texts, frame.iter_rows(named=True), failing, strict=True)
    return [_counted(text, row, field, requirement) for text, row, requirement in columns]


def _alone(texts: list[str | None], field: Field, feed: Feed) -> pl.DataFrame:
    """Return the standardised columns of events that have this field only."""
    absent = {f.column: pl.repeat(None, len(texts), dtype=DTYPES[f.kind], eager=True) for f in feed.fields}
    raw = {f"raw.{f.name}": absent[f.column].cast(pl.String) for f in feed.fields if not f.is_text}
    return pl.DataFrame(absent | raw | {field.name: pl.Series(texts, dtype=pl.String)})


def _flag(text: str, field: Field) -> Meaning:
    lower = text.strip().lower()
    if is_missing(text):
        return Meaning(text, "missing")
    if lower in (*TRUE, *FALSE):
        return Meaning(text, "true" if lower in TRUE else "false")
    return Meaning(text, "rejected", rejected=f"{field.name} must be true or false")


def _counted(text: str, row: dict[str, Any], field: Field, requirement: str) -> Meaning:
    if is_missing(text):
        return Meaning(text, "missing")
    if requirement:
        return Meaning(text, "rejected", rejected=f"{field.name} {requirement}")
    name, clicks, conversions = row[field.name], row.get("clicks"), row.get("conversions")
    if conversions and not clicks and name == text.strip():
        return Meaning(text, "a conversion of that type", conversion=True)
    named: dict[Any, str] = {(1, 0): "a click", (1, 1): "a click that converted", (0, 1): "a conversion"}
    return Meaning(text, named.get((clicks, conversions), f"a {name}"))


class EventTypes:
    """Collects the distinct texts of the event type in the records of a run.

    Args:
        feed: feed of the records.
        mapping: how columns map to fields.
    """

    def __init__(self, feed: Feed, mapping: FieldMapping) -> None:
        self.seen: set[str] = set()
        self._remembered = 0
        self._feed = feed
        self._field = next((f for f in feed.fields if f.kind == "event_type"), None)
        self._columns = () if self._field is None else _columns_of(self._field, feed, mapping)
        self._in_json = _Types(self._columns)

    def see(self, records: Sequence[Record]) -> None:
        """Note the types of these records."""
        if not self._columns or len(self.seen) > MOST_TYPES:
            return
        kinds = set(map(type, records))
        values: set[Any] = set()
        if dict in kinds:
            values = _values([record for record in records if isinstance(record, dict)], self._columns)
        if bytes in kinds:
            values |= self._in_json.of([record for record in records if isinstance(record, bytes)])
        self.seen |= {text[:_LONGEST] for value in values if (text := _text(value))}

    def new(self, remembered: bytes | None) -> tuple[tuple[str, ...], bytes]:
        """Return the conversion types that are not among the remembered ones, and all of them to remember.

        A column with more than `MOST_TYPES` distinct texts names no types: nothing of it is new.
        """
        known: set[str] = set() if remembered is None else set(msgspec.json.decode(remembered, type=list[str]))
        if self._field is None or len(self.seen) > MOST_TYPES or len(known) >= MOST_TYPES:
            return (), remembered or b"[]"
        named = [one.text for one in meanings(sorted(self.seen - known), self._field, self._feed) if one.conversion]
        return tuple(named), msgspec.json.encode(sorted({*known, *named})[:MOST_TYPES])

    def remember(self, log: EventLog) -> tuple[str, ...]:
        """Return the conversion types that are new to the log since the last call, and remember them there.

        Raises:
            LogError: the log could not be read or written.
        """
        if len(self.seen) == self._remembered:
            return ()
        key = f"types/{self._feed.topic}"
        new, known = self.new(log.state(key).get(key))
        if new:
            log.append(self._feed.topic, (), state={key: known})
        self._remembered = len(self.seen)
        return new


def _columns_of(field: Field, feed: Feed, mapping: FieldMapping) -> tuple[str, ...]:
    """Return the columns, or dotted paths, that may contain a field, in the order of precedence."""
    if any(feed.field_named(name) == field for name in mapping.constants):
        return ()  # the same in every record
    mapped = [column for column, target in mapping.rename.items() if feed.field_named(target) == field]
    return (*mapped, *(name for name in field.names if name not in mapping.rename))


def _values(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> set[Any]:
    """Return the distinct values of the first column that each row fills."""
    widest = max(rows, key=len)  # a short row lacks its last columns
    present = [column for column in columns if column.partition(".")[0] in widest or column in widest]
    if len(present) == 1 and present[0] in widest:
        with suppress(TypeError):  # a value is a list or an object
            return set(map(methodcaller("get", present[0]), rows))
    return {_first(row, present) for row in rows} if present else set()


def _first(row: dict[str, Any], columns: Iterable[str]) -> Any:
    """Return the first value that is not missing; a list or an object is rejected, and names no type."""
    for column in columns:
        value = at_path(row, column)
        if not is_missing(value):
            return None if isinstance(value, dict | list) else value
    return None


class _Types:
    """Finds the event types in JSON messages.

    Decoding every message would cost more than appending it. So the texts after the names of the columns are searched
    first, wherever they are in a message, and messages are decoded only if one of these texts is new.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._candidates: set[bytes] = set()
        keys = {json_value(column.rpartition(".")[2]) for column in columns}
        self._patterns = {key: re.compile(re.escape(key) + _VALUE).findall for key in keys}

    def of(self, messages: list[bytes]) -> set[Any]:
        """Return the values of the type in messages, without those returned before."""
        text = b"\n".join(messages)
        candidates = {value for key, find in self._patterns.items() if key in text for value in find(text)}
        if candidates <= self._candidates:
            return set()
        if len(self._candidates) <= MOST_TYPES:
            self._candidates |= candidates
        return set(map(self._type, messages))

    def _type(self, message: bytes) -> Any:
        try:
            return _first(_fields(message), self._columns)
        except NOT_JSON:
            return None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if is_missing(value) else str(value).strip()
