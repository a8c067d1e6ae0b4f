"""Which columns of an input become which fields of a feed.

Columns are those of a table, or the keys of nested records as dotted paths. The rules are those of the encoder and the
decoders, because the same code is asked: records whose values are their own paths are mapped and flattened, and the
paths that come out in a field are the columns that it takes. A field can take several columns: the later ones count
where the earlier ones are empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from advertisex.codecs.avro_decode import avro_records, is_avro
from advertisex.codecs.bid_fields import flattener
from advertisex.codecs.json_decode import DECODE_ERRORS, decode_json
from advertisex.feeds import Feed
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.naming import Naming
from advertisex.ingestion.records import Reading, Record

#: Formats whose records are flat, with all columns in `Reading.columns`.
TABLES = ("csv", "xlsx", "parquet")
#: Formats whose columns may be spelled in other ways, such as `User Id`.
_SPELLED = ("csv", "xlsx")
#: Records of other formats that are examined, and how many without a new column are enough.
SAMPLE, _QUIET = 1_000, 100
#: Examined messages are at most this long, and a sample has at most so many columns: both bound the cost.
_LONGEST, _MOST_COLUMNS = 2**20, 1_000
_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of an input.

    Attributes:
        fields: column, or dotted path in nested records -> the field that takes it; None if no field does.
        missing: required fields that neither a column nor a constant supplies; empty if no column is known at all.
    """

    fields: dict[str, str | None] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def unused(self) -> tuple[str, ...]:
        """The columns that no field takes."""
        return tuple(column for column, field in self.fields.items() if field is None)


class ColumnSample:
    """Finds the columns of an input in its header, its schema, or its first records.

    Args:
        feed: feed of the records.
        mapping: how columns map to fields.
        quiet: number of consecutive records without a new column after which no more are examined.
    """

    def __init__(self, feed: Feed, mapping: FieldMapping, *, quiet: int = _QUIET) -> None:
        self._feed, self._mapping, self._quiet = feed, mapping, quiet
        self._fields = _FieldsOf(feed, mapping)
        self._datum = avro_records(feed) if feed.wire == "avro" else None
        self._seen = 0
        self._unchanged = 0
        self._shapes: set[Any] = set()
        self._found: dict[str, str | None] = {}

    def add(self, records: Sequence[Record]) -> None:
        """Examine records, until enough of them have been examined."""
        for record in records:
            if self._seen >= SAMPLE or self._unchanged >= self._quiet or len(self._found) >= _MOST_COLUMNS:
                return
            self._seen += 1
            self._unchanged += 1
            value = record if isinstance(record, dict) else self._decoded(record)
            if value is not None and (shape := _shape(value, _DEPTH)) not in self._shapes:
                self._shapes.add(shape)
                self._add(value)

    def columns(self, reading: Reading) -> Columns:
        """Return the columns: those of the table or the schema, or else those of the records."""
        names = reading.columns or []
        if names and reading.format in TABLES:
            found = self._taken(
                {new: _Place(name) for name, new in zip(names, self._spelled(reading), strict=True) if name}
            )
        else:  # nested records say more than the top level of their schema
            within = {path.partition(".")[0].partition("[")[0] for path in self._found}
            found = self._taken({name: _Place(name) for name in names if name not in within}) | self._found
        parents = {path[:at] for path in found for at, sign in enumerate(path) if sign in ".["}
        fields = {path: field for path, field in found.items() if path not in parents or field is not None}
        return Columns(fields, tuple(self._missing(set(fields.values()))) if fields else ())

    def _spelled(self, reading: Reading) -> list[str]:
        """Return the columns of a table as they are in its records."""
        names = list(reading.columns or ())
        return Naming(self._feed, self._mapping).columns(names) if reading.format in _SPELLED else names

    def _add(self, value: dict[str, Any]) -> None:
        before = len(self._found)
        for path, taker in self._taken(_marked(value, "", _DEPTH)).items():
            self._found[path] = self._found.get(path) or taker
        if len(self._found) > before:
            self._unchanged = 0

    def _taken(self, marked: dict[str, Any]) -> dict[str, str | None]:
        taken = self._fields.of(marked)
        return {path: taken.get(path) for path in _places(marked)}

    def _decoded(self, message: bytes) -> dict[str, Any] | None:
        if len(message) > _LONGEST:
            return None
        try:
            if self._datum is not None and is_avro(message, self._feed):
                return self._datum(message)
            value = decode_json(message)
        except DECODE_ERRORS:
            return None
        return value if isinstance(value, dict) else None

    def _missing(self, taken: set[str | None]) -> Iterator[str]:
        constants = {f.name for name in self._mapping.constants if (f := self._feed.field_named(name))}
        for known in self._feed.fields:
            if known.required and known.name not in taken | constants:
                yield known.name


class _Place(str):
    """A value that is the path of its column."""

    __slots__ = ()


class _FieldsOf:
    """Finds the field that takes each value of a record."""

    def __init__(self, feed: Feed, mapping: FieldMapping) -> None:
        self._mapping = replace(mapping, time_formats=()).for_feed(feed)
        self._flatten = flattener(feed) if feed.wire == "avro" else None
        self._names = {f.name: f.names for f in feed.fields}

    def of(self, marked: dict[str, Any]) -> dict[str, str]:
        """Return path -> field. What a field takes is emptied, to find what it takes then."""
        taken: dict[str, str] = {}
        while True:
            values = self._values(self._mapping.apply(marked))
            new = {path: field for field, value in values.items() for path in _places(value)}
            if not new.keys() - taken.keys():
                return taken
            taken |= new
            marked = _emptied(marked, new)

    def _values(self, record: dict[str, Any]) -> Mapping[str, Any]:
        if self._flatten is not None:
            return self._flatten(record)
        found = {
            field: next((value for name in names if (value := record.get(name)) not in (None, "")), None)
            for field, names in self._names.items()
        }
        return {field: value for field, value in found.items() if value is not None}


def _shape(value: Any, depth: int) -> Any:
    """Return what records with the same columns have in common."""
    match value:
        case dict() if depth:
            return tuple((name, _shape(inner, depth - 1)) for name, inner in value.items())
        case list() if depth and value:
            return (_shape(value[0], depth - 1),)
        case _:
            return None


def _marked(value: Any, path: str, depth: int) -> Any:
    """Return a record with the path of each value in place of the value; of a list, with the first item only."""
    match value:
        case dict() if depth and (value or not path):
            return {
                name: _marked(inner, f"{path}.{name}" if path else str(name), depth - 1)
                for name, inner in value.items()
            }
        case list() if depth:
            nested = value and isinstance(value[0], dict)
            return [_marked(value[0], f"{path}[0]", depth - 1) if nested else _Place(path)]
        case _:
            return _Place(path)


def _places(value: Any) -> Iterator[str]:
    match value:
        case _Place():
            yield str(value)
        case dict():
            for inner in value.values():
                yield from _places(inner)
        case list():
            for inner in value:
                yield from _places(inner)


def _emptied(value: Any, paths: Mapping[str, str]) -> Any:
    match value:
        case _Place():
            return None if value in paths else value
        case dict():
            return {name: _emptied(inner, paths) for name, inner in value.items()}
        case list():
            return [_emptied(inner, paths) for inner in value]
        case _:
            return value
