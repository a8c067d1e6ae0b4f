"""Recognise envelopes: objects around a list of records, as in `{"data": [...], "next": ...}`.

An object is an envelope only if a list of objects is under a known name, or under two of them (`data.items`), and its
objects carry more of the feed's required fields than what is around them. So a record that holds a list stays whole.
If several lists hold records, the first one is read, and the others are an error: so the outcome does not depend on how
much of an envelope is known when its records are read. A list named after another feed is read only if it is the only
one. `--records PATH` says where the records are instead.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from advertisex.codecs.json_text import NOT_JSON, at_path, json_object, object_in, repeated_names
from advertisex.feeds import Feed
from advertisex.ingestion.json.opened import NoRecords, Opened, RepeatedName
from advertisex.ingestion.json.sequence import Splitter
from advertisex.ingestion.options.ingest import IngestOptions

#: Keys of envelopes under which APIs and exports put records.
NAMES = (
    "data", "result", "results", "response", "payload", "items", "rows", "records", "entries", "objects", "hits",
    "content",
    "events", "impressions", "clicks", "conversions", "bids", "requests",
)  # fmt: skip
#: The feed of the names that only one feed has.
_FEEDS = {"impressions": "impressions", "clicks": "clicks", "conversions": "clicks", "bids": "bids", "requests": "bids"}
#: So many objects of a list, from so much of its text, show which fields they carry.
_SAMPLE_OBJECTS = 20
_SAMPLE_BYTES = 2**18

_Keys = msgspec.defstruct("_Keys", [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in NAMES], gc=False)
#: The start of a list of objects, an empty list, or what looks like a null.
_LIST_OR_NULL = re.compile(rb"\[[ \t\r\n]*+[{\]]|null")
#: The start of a list of objects, or of lists of them.
_OBJECTS = re.compile(rb"(?:\[[ \t\r\n]*+)++\{")
_keys_of = msgspec.json.Decoder(_Keys).decode_lines
_WITHOUT_NAMES = _Keys()


class Envelopes:
    """Recognises the envelopes of a feed.

    Args:
        feed: feed of the records.
        options: the path of the records, if the user gave one, and the mapped columns.
    """

    def __init__(self, feed: Feed, options: IngestOptions) -> None:
        self._records = options.records
        self._feed_name = feed.name
        paths = [*options.inherit, *([options.records] if options.records else [])]
        self._telling = {*NAMES, *paths, *(step for path in paths for step in path.split("."))}
        self._nested = feed.wire == "avro"
        columns = options.mapping.rename.items()
        self._required = [
            {*f.names, *(column.partition(".")[0] for column, target in columns if target in f.names)}
            for f in feed.fields
            if f.required
        ]
        if self._nested:
            self._required.append({"imp"})  # a bid request in OpenRTB has its other fields further inside
        self._wanted = set[str]().union(*self._required)

    def suspects(self, values: list[bytes]) -> list[int]:
        """Return the indices of objects that have a known name and a list of objects, an empty list or a null."""
        keys = _keys_of(b"\n".join(values))
        if keys.count(_WITHOUT_NAMES) == len(values):
            return []
        return [
            i
            for i, (found, value) in enumerate(zip(keys, values, strict=True))
            if found != _WITHOUT_NAMES and _LIST_OR_NULL.search(value) and not self._is_complete(value)
        ]

    def _is_complete(self, value: bytes) -> bool:
        """Whether an object has all required fields itself, so that no list in it can carry more."""
        if self._records or self._nested:
            return False
        try:
            return self._carried(json_object(value).keys() - NAMES) == len(self._required)
        except NOT_JSON:
            return False

    def open(self, value: bytes) -> Opened | None:
        """Return the records of an envelope; None if the object is itself a record.

        Raises:
            NoRecords: the path that the user gave leads to no records.
            RepeatedName: a name of the envelope that matters occurs twice.
        """
        try:
            fields = json_object(value)
            opened = self._named(fields, self._records) if self._records else self._recognised(fields)
            if opened is not None:
                self._check_names(value)
        except NOT_JSON:  # too deep, or a string is not UTF-8
            return None
        return opened

    def _named(self, fields: dict[str, msgspec.Raw], path: str) -> Opened:
        raw = at_path(fields, path)
        start = _start(raw)
        if raw is None or start not in b"[{n" or not start:
            inner = object_in(at_path(fields, path.rpartition(".")[0]))
            raise NoRecords(fields if inner is None else inner)
        return Opened(path, b"" if start == b"n" else bytes(raw), fields)

    def _recognised(self, fields: dict[str, msgspec.Raw]) -> Opened | None:
        known = dict(_places(fields, NAMES))
        lists = {path: text for path, raw in known.items() if (text := bytes(raw)).startswith(b"[")}
        carried = {path: self._carried_by_list(text) for path, text in lists.items()}
        envelopes = [path for path in lists if carried[path] > self._carried_around(fields, path)]
        if envelopes:
            own = [path for path in envelopes if not self._is_foreign(path)]
            chosen = (own or envelopes)[0]
            rivals = (path for path in self._with_as_much(fields, carried[chosen]) if path != chosen)
            others = tuple(path for path in rivals if not own or not self._is_foreign(path))
            unread = tuple(path for path in envelopes if path not in (chosen, *others))
            return Opened(chosen, lists[chosen], fields, others, unread, is_foreign=not own)
        is_empty = any(_is_empty(bytes(raw)) for raw in known.values())
        if is_empty and all(map(_is_empty, lists.values())) and not self._carried_around(fields, ""):
            return Opened("", b"", fields, unread=tuple(_lists_of_objects(fields)))
        return None

    def _check_names(self, text: bytes | msgspec.Raw) -> None:
        """Check that no name that matters occurs twice around the records."""
        for name in repeated_names(text):
            if name in self._telling:
                raise RepeatedName(name)
        for name, raw in json_object(text).items():
            if name in self._telling and _start(raw) == b"{":
                self._check_names(raw)

    def _is_foreign(self, path: str) -> bool:
        """Whether a list is named after another feed."""
        return any(_FEEDS.get(step, self._feed_name) != self._feed_name for step in path.split("."))

    def _with_as_much(self, fields: dict[str, msgspec.Raw], least: int) -> Iterator[str]:
        """Yield the paths of all lists whose objects carry that many of the required fields."""
        for path, raw in _places(fields):
            if _start(raw) == b"[" and self._carried_by_list(bytes(raw)) >= least:
                yield path

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
            inner = object_in(fields[first]) or {}
            around |= {key: raw for key, raw in inner.items() if key != second}
        inside = (raw for key, raw in around.items() if key not in NAMES) if self._nested else ()
        return self._carried(chain(around, chain.from_iterable(map(_keys_inside, inside))))

    def _carried(self, keys: Iterable[str]) -> int:
        present = self._wanted.intersection(keys)
        return sum(not names.isdisjoint(present) for names in self._required)


def _places(fields: Mapping[str, msgspec.Raw], names: Sequence[str] = ()) -> Iterator[tuple[str, msgspec.Raw]]:
    """Yield the dotted paths, two steps at most, and the values that are not objects; in order of the text.

    Args:
        fields: an object.
        names: the only names of the steps; none for any.
    """
    for name, raw in fields.items():
        if names and name not in names:
            continue
        inner = object_in(raw)
        if inner is None:
            yield name, raw
        else:
            kept = ((key, value) for key, value in inner.items() if not names or key in names)
            yield from ((f"{name}.{key}", value) for key, value in kept if _start(value) != b"{")


def _lists_of_objects(fields: Mapping[str, msgspec.Raw], levels: int = 3) -> Iterator[str]:
    """Yield the dotted paths of lists of objects, in objects nested in each other."""
    for name, raw in fields.items():
        if _OBJECTS.match(memoryview(raw)):
            yield name
        elif levels > 1 and (inner := object_in(raw)):
            yield from (f"{name}.{path}" for path in _lists_of_objects(inner, levels - 1))


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


def _keys_inside(raw: msgspec.Raw) -> Iterator[str]:
    """Yield the keys of the objects in a value, unless it is larger than what is decoded."""
    if len(memoryview(raw)) <= _SAMPLE_BYTES:
        yield from _keys(_decoded(bytes(raw)), nested=True)


def _decoded(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except NOT_JSON:
        return None


def _start(raw: msgspec.Raw | None) -> bytes:
    return b"" if raw is None else bytes(memoryview(raw)[:1])
