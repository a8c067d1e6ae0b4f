"""Recognise envelopes: objects around a list of records, as in `{"data": [...], "next": ...}`.

An object is an envelope only if a list of objects is under a known name, or under two of them (`data.items`), and its
objects carry more of the feed's required fields than what is around them. So a record that holds a list stays whole.
`--records PATH` says where the records are instead.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from advertisex.codecs.json_text import NOT_JSON, json_object
from advertisex.feeds import Feed
from advertisex.ingestion.json.sequence import Splitter
from advertisex.ingestion.options import IngestOptions

#: Keys of envelopes under which APIs and exports put records.
NAMES = (
    "data", "result", "results", "response", "payload", "items", "rows", "records", "entries", "objects", "hits",
    "events", "impressions", "clicks", "conversions", "bids", "requests",
)  # fmt: skip
#: So many objects of a list, from so much of its text, show which fields they carry.
_SAMPLE_OBJECTS = 20
_SAMPLE_BYTES = 2**18

_Keys = msgspec.defstruct("_Keys", [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in NAMES], gc=False)
_keys_of = msgspec.json.Decoder(_Keys).decode_lines
_WITHOUT_NAMES = _Keys()


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope.

    Attributes:
        path: dotted path of its records; empty for an empty envelope.
        records: text of the list of records, or of the one record; empty if there are none.
        around: its values by key.
        unread: other lists of records in it, which are not read.
    """

    path: str
    records: bytes
    around: dict[str, msgspec.Raw]
    unread: tuple[str, ...] = ()


class NoRecords(Exception):
    """The path that the user gave leads to no records in an object.

    Args:
        keys: the keys that it has in their place.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__()
        self.keys = ", ".join(list(keys)[:10]) or "none"


class Envelopes:
    """Recognises the envelopes of a feed.

    Args:
        feed: feed of the records.
        options: the path of the records, if the user gave one, and the mapped columns.
    """

    def __init__(self, feed: Feed, options: IngestOptions) -> None:
        self._records = options.records
        self._feed_name = feed.name
        self._nested = feed.wire == "avro"
        columns = options.mapping.rename.items()
        self._required = [
            {*f.names, *(column.partition(".")[0] for column, target in columns if target in f.names)}
            for f in feed.fields
            if f.required
        ]
        if self._nested:
            self._required.append({"imp"})  # a bid request in OpenRTB has its other fields further inside

    def suspects(self, values: list[bytes]) -> list[int]:
        """Return the indices of objects that have a known name and a list."""
        keys = _keys_of(b"\n".join(values))
        if keys.count(_WITHOUT_NAMES) == len(values):
            return []
        return [i for i, found in enumerate(keys) if found != _WITHOUT_NAMES and b"[" in values[i]]

    def open(self, value: bytes) -> Opened | None:
        """Return the records of an envelope; None if the object is itself a record.

        Raises:
            NoRecords: the path that the user gave leads to no records.
        """
        try:
            fields = json_object(value)
            return self._named(fields, self._records) if self._records else self._recognised(fields)
        except NOT_JSON:  # too deep, or a string is not UTF-8
            return None

    def _named(self, fields: dict[str, msgspec.Raw], path: str) -> Opened:
        raw = at_path(fields, path)
        start = _start(raw)
        if raw is None or start not in b"[{n" or not start:
            inner: dict[str, msgspec.Raw] | None = fields
            for step in path.split(".")[:-1]:
                inner = _object_or_none(inner.get(step)) if inner else None
            raise NoRecords(fields if inner is None else inner)
        return Opened(path, b"" if start == b"n" else bytes(raw), fields)

    def _recognised(self, fields: dict[str, msgspec.Raw]) -> Opened | None:
        lists = {path: text for path, raw in _known(fields) if (text := bytes(raw)).startswith(b"[")}
        carried = {path: self._carried_by_list(text) for path, text in lists.items()}
        envelopes = [path for path in lists if carried[path] > self._carried_around(fields, path)]
        if envelopes:
            own = [path for path in envelopes if path.rpartition(".")[2] == self._feed_name]
            best = max(carried[path] for path in own or envelopes)
            chosen = [path for path in own or envelopes if carried[path] == best]
            if len(chosen) > 1:
                return None  # ambiguous
            others = tuple(path for path in envelopes if path != chosen[0])
            return Opened(chosen[0], lists[chosen[0]], fields, others)
        is_empty = any(_is_empty(bytes(raw)) for _, raw in _known(fields))
        if is_empty and all(map(_is_empty, lists.values())) and not self._carried_around(fields, ""):
            return Opened("", b"", fields)
        return None

    def _carried_by_list(self, text: bytes) -> int:
        """Return the greatest number of required fields that one of the first objects of a list carries."""
        first = next(Splitter().pieces(text[:_SAMPLE_BYTES], ended=False), None)
        if first is None or first.kind != "objects" or text[1:].lstrip()[:1] != b"{":
            return 0
        return max(
            self._carried(_keys(_decoded(value), nested=self._nested)) for value in first.values[:_SAMPLE_OBJECTS]
        )

    def _carried_around(self, fields: dict[str, msgspec.Raw], path: str) -> int:
        """Return the number of required fields that an object carries outside of one of its lists."""
        first, _, second = path.partition(".")
        around = {key: raw for key, raw in fields.items() if key != first}
        if second:
            inner = _object_or_none(fields[first]) or {}
            around |= {key: raw for key, raw in inner.items() if key != second}
        if not self._nested:
            return self._carried(around)
        decoded = {key: None if key in NAMES else _decoded(bytes(raw)) for key, raw in around.items()}
        return self._carried(_keys(decoded, nested=True))

    def _carried(self, keys: Iterable[str]) -> int:
        present = set(keys)
        return sum(not names.isdisjoint(present) for names in self._required)


def at_path(fields: dict[str, msgspec.Raw], path: str) -> msgspec.Raw | None:
    """Return the value under a dotted path, or under a key that contains dots; None if there is none."""
    if path in fields:
        return fields[path]
    *steps, last = path.split(".")
    inner: dict[str, msgspec.Raw] | None = fields
    for step in steps:
        inner = _object_or_none(inner.get(step)) if inner else None
    return inner.get(last) if inner else None


def _known(fields: dict[str, msgspec.Raw]) -> Iterator[tuple[str, msgspec.Raw]]:
    """Yield the dotted paths of known names, and their values that are not objects."""
    for name in NAMES:
        raw = fields.get(name)
        if raw is None:
            continue
        inner = _object_or_none(raw)
        if inner is None:
            yield name, raw
        else:
            yield from ((f"{name}.{key}", inner[key]) for key in NAMES if key in inner and _start(inner[key]) != b"{")


def _is_empty(text: bytes) -> bool:
    return text == b"null" or (text.startswith(b"[") and text[1:].lstrip() == b"]")


def _keys(value: Any, *, nested: bool) -> Iterator[str]:
    """Yield the keys of an object, and if wanted those of the objects inside it."""
    if isinstance(value, dict):
        yield from value
        if nested:
            for inner in value.values():
                yield from _keys(inner, nested=True)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner, nested=nested)


def _decoded(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except NOT_JSON:
        return None


def _start(raw: msgspec.Raw | None) -> bytes:
    return b"" if raw is None else bytes(memoryview(raw)[:1])


def _object_or_none(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw] | None:
    return json_object(raw) if raw is not None and _start(raw) == b"{" else None
