"""Copy values of an envelope into its records: `--inherit client.id=user_id`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from advertisex.codecs.json_text import MOST_KEYS, NOT_JSON, at_path, is_missing_json, json_object, repeated_names
from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.feeds import Feed
from advertisex.limits import Limit

INHERITED_BYTES = Limit(
    2**16, "bytes", of="a value that records inherit from their envelope", beyond="not inherited, and an error"
)
#: So many records at once are copied, which bounds the memory for the copies.
_RECORDS = 16

_encode = msgspec.json.Encoder().encode


class Inherited(NamedTuple):
    """A value that records take from their envelope.

    Attributes:
        name: its name in the records.
        value: its JSON text.
        own: names under which a record can have a value of its own, which wins.
    """

    name: str
    value: msgspec.Raw
    own: tuple[str, ...]


class Inheritance:
    """The values that the records of a feed take from their envelopes.

    Args:
        feed: feed of the records.
        paths: dotted path in the envelope -> name in the record.
    """

    def __init__(self, feed: Feed, paths: dict[str, str]) -> None:
        fields = {name: feed.field_named(name) for name in paths.values()}
        self._names = {name: known.names if known else (name,) for name, known in fields.items()}
        self._paths = paths

    def values(self, around: dict[str, msgspec.Raw]) -> tuple[list[Inherited], list[str], list[str]]:
        """Return the values of an envelope, the paths that it lacks, and those of values that are too large."""
        found = {path: at_path(around, path) for path in self._paths}
        large = [path for path, raw in found.items() if raw and len(memoryview(raw)) > INHERITED_BYTES]
        values = [
            Inherited(self._paths[path], raw, self._names[self._paths[path]])
            for path, raw in found.items()
            if raw and path not in large
        ]
        return values, [path for path, raw in found.items() if not raw], large


def inheriting(
    records: Sequence[bytes], lines: Sequence[int], inherited: list[Inherited]
) -> Iterator[tuple[list[bytes], Sequence[int]]]:
    """Yield copies of records with inherited values, few at once, and the lines of the records."""
    for at in range(0, len(records), _RECORDS):
        part = slice(at, at + _RECORDS)
        yield [_with_inherited(record, inherited) for record in records[part]], lines[part]


def _with_inherited(record: bytes, inherited: Iterable[Inherited]) -> bytes:
    """Return a record with the inherited values that it does not have itself; missing values do not count.

    Its own text stays as it is, and so does a missing value under a name that the record repeats.
    """
    try:
        fields = json_object(record)
    except NOT_JSON:
        return wrap(Unreadable("too_many_values", f"more than {MOST_KEYS:,} keys, so that it inherits nothing", record))
    added = {i.name: i.value for i in inherited if all(is_missing_json(fields.get(name)) for name in i.own)}
    replaced = added.keys() & fields.keys()
    if replaced and not repeated_names(record):
        return _encode({name: raw for name, raw in fields.items() if name not in replaced} | added)
    members = _encode({name: raw for name, raw in added.items() if name not in replaced})[1:-1]
    if not members:
        return record
    return record[: record.rindex(b"}")].rstrip() + (b"," if fields else b"") + members + b"}"
