"""What the texts of a flag or type column mean, and which of them are new to a log."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from advertisex.codecs.json_split import NOT_JSON
from advertisex.feeds import Feed, Field
from advertisex.feeds.feed import DTYPES
from advertisex.feeds.words import FALSE, TRUE, is_missing
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Record

#: Distinct texts of a type column that are remembered. A column with more names no types.
MOST_TYPES = 1_000
_LONGEST = 200


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
        self._feed = feed
        self._field = next((f for f in feed.fields if f.kind == "event_type"), None)
        self._columns = () if self._field is None else _columns_of(self._field, feed, mapping)
        self._decode = _decoder(self._columns)

    def see(self, records: Sequence[Record]) -> None:
        """Note the types of these records."""
        if not self._columns or len(self.seen) > MOST_TYPES:
            return
        rows = [record for record in records if isinstance(record, dict)]
        values: set[Any] = set()
        if rows:
            values = _values(rows, self._columns)
        if len(rows) < len(records):
            values |= set(map(self._decode, (record for record in records if isinstance(record, bytes))))
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


def _columns_of(field: Field, feed: Feed, mapping: FieldMapping) -> tuple[str, ...]:
    """Return the columns, or dotted paths, that may contain a field, in the order of precedence."""
    if any(feed.field_named(name) == field for name in mapping.constants):
        return ()  # the same in every record
    mapped = [column for column, target in mapping.rename.items() if feed.field_named(target) == field]
    return (*mapped, *(name for name in field.names if name not in mapping.rename))


def _values(rows: list[dict[str, Any]], columns: Iterable[str]) -> set[Any]:
    """Return the distinct values of the first column that a row fills."""
    present = [column for column in columns if column in rows[0]]
    try:
        if len(present) == 1:
            return {row.get(present[0]) for row in rows}
        return {next((value for c in present if not is_missing(value := row.get(c))), None) for row in rows}
    except TypeError:  # a list or an object, which is rejected
        return set()


def _decoder(columns: tuple[str, ...]) -> Callable[[bytes], Any]:
    """Return a function that decodes only these columns of a JSON message, and returns the first value."""
    names = {f"f{number}": column.partition(".")[0] for number, column in enumerate(columns)}
    paths = [column.split(".")[1:] for column in columns]
    struct = msgspec.defstruct("Typed", [(name, Any, None) for name in names], rename=names, gc=False)
    decode = msgspec.json.Decoder(struct).decode

    def first(message: bytes) -> Any:
        try:
            found = decode(message)
        except NOT_JSON:
            return None
        for name, path in zip(names, paths, strict=True):
            value = getattr(found, name)
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if not is_missing(value) and not isinstance(value, dict | list):
                return value
        return None

    return first


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if is_missing(value) else str(value).strip()
