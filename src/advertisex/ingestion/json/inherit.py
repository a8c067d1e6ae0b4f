"""Copy values of an envelope into its records: `--inherit client.id=user_id`."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from advertisex.codecs.json_text import at_path, is_missing_json, json_object
from advertisex.feeds import Feed

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

    def values(self, around: dict[str, msgspec.Raw]) -> tuple[list[Inherited], list[str]]:
        """Return the values of an envelope, and the paths that it lacks."""
        found = {path: at_path(around, path) for path in self._paths}
        values = [Inherited(self._paths[p], raw, self._names[self._paths[p]]) for p, raw in found.items() if raw]
        return values, [path for path, raw in found.items() if not raw]


def with_inherited(record: bytes, inherited: Iterable[Inherited]) -> bytes:
    """Return a record with the inherited values that it does not have itself; missing values do not count."""
    fields = json_object(record)
    added = {i.name: i.value for i in inherited if all(is_missing_json(fields.get(name)) for name in i.own)}
    return _encode({name: raw for name, raw in fields.items() if name not in added} | added) if added else record
