"""The fields around the records of a JSON body, read without decoding the records."""

import codecs
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import msgspec
from xxhash import xxh3_128_digest

from advertisex.codecs.json_text import NOT_JSON, json_object, object_in, repeated_names
from advertisex.errors import SourceError
from advertisex.ingestion.api.paging.links import LONGEST
from advertisex.ingestion.api.paging.parameters import whole_number
from advertisex.ingestion.api.request import Response
from advertisex.ingestion.encodings import shown_encoding
from advertisex.ingestion.json.envelope import NAMES
from advertisex.ingestion.stream import Stream, decompressed

Fields = dict[str, Any]

#: Objects inside each other that may be around the records.
_LEVELS = 4
#: An object with more members has a record in each of them.
_MOST_MEMBERS = 200
_SMALL = 2**16
#: More than that, decompressed, is not read for its paging.
_LARGEST_TEXT = 2**28
#: Lists of links, not of records.
_LINKS = ("links", "_links")
#: In place of a value whose name occurs twice.
_REPEATED = object()
_OBJECT = re.compile(rb"\s*+\{")
_RECORDS = re.compile(rb"\[\s*+[{\[\]]")
#: Up to the next bracket outside of strings.
_NEXT_BRACKET = re.compile(rb'(?:[^"\[\]]++|"(?:[^"\\]++|\\.)*+")*+([\[\]])', re.DOTALL)
_FLAGS = {"true": True, "false": False}
_SHORT = 24
_EMPTY = (b"null", b"false", b'""', b"0", b"{}", b"[]")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is around the records of a body.

    Attributes:
        fields: its fields: dicts for objects, raw text for all other values; empty if the body is not a JSON object.
        containers: dotted paths of the objects around lists of records, from the outside; empty for a single record.
        fingerprint: equal for bodies with the same records.
        is_object: whether the body is a JSON object.
    """

    fields: Fields = field(repr=False)
    containers: tuple[str, ...]
    fingerprint: bytes
    is_object: bool

    def value(self, path: str) -> bytes | None:
        """Return the JSON text at a path; `null` if it is empty, false or 0; None if the path leads nowhere.

        Raises:
            SourceError: it is longer than any cursor, or its name occurs twice.
        """
        found = self._found(path)
        if found is None:
            return None
        if isinstance(found, dict):
            return b"null" if all(_is_empty(value) for value in found.values()) else b"{...}"
        text = memoryview(found)
        if len(text) > LONGEST:
            raise SourceError(
                f"the value of {path!r} in the answer is longer than {LONGEST} bytes",
                hint="choose another type of paging with paginate",
            )
        return b"null" if _is_empty(found) else bytes(text)

    def text(self, path: str) -> str | None:
        """Return a text or number at a path as text; None if it is something else."""
        value = self.value(path)
        if not value or value == b"null" or value[:1] in b"{[tf":
            return None
        try:
            return msgspec.json.decode(value, type=str) if value[:1] == b'"' else value.decode()
        except NOT_JSON:
            return None

    def number(self, path: str) -> int | None:
        """Return a whole number at a path, or in its `value`; None if there is none."""
        return whole_number(self._short(path)) or whole_number(self._short(f"{path}.value"))

    def flag(self, path: str) -> bool | None:
        """Return a boolean at a path; None if it is something else."""
        return _FLAGS.get(self._short(path) or "")

    def members(self, path: str) -> Collection[str]:
        """Return the names in the object at a path, or the relations of a list of links."""
        found = _at(self.fields, path) if path else self.fields
        return object_in(found) or self._links(found)

    def _short(self, path: str) -> str | None:
        value = self._found(path)
        is_short = isinstance(value, msgspec.Raw) and len(memoryview(value)) <= _SHORT
        return bytes(value).decode("utf-8", "replace").strip('"') if is_short else None

    def _found(self, path: str) -> Any:
        found = _at(self.fields, path)
        if found is None and "links." in path:
            found = self._in_links(path)
        if found is _REPEATED:
            raise SourceError(
                f"the name {path!r} occurs twice in the answer", hint="choose another type of paging with paginate"
            )
        return found

    def _in_links(self, path: str) -> Any:
        """Return a value in a list of links: that of `href` for `links.next.href` in `[{"rel": "next", "href": …}]`."""
        start, _, rest = path.rpartition("links.")
        relation, _, name = rest.partition(".")
        return self._links(_at(self.fields, f"{start}links")).get(relation, {}).get(name)

    def _links(self, listed: Any) -> dict[str, dict[str, msgspec.Raw]]:
        """Return the links of a list by their relation."""
        if not isinstance(listed, msgspec.Raw) or len(memoryview(listed)) > _SMALL:
            return {}
        try:
            links = msgspec.json.decode(listed, type=list[dict[str, msgspec.Raw]])
            return {msgspec.json.decode(link["rel"], type=str): link for link in reversed(links) if "rel" in link}
        except NOT_JSON:
            return {}


def envelope_of(response: Response) -> Envelope:
    """Return the envelope of a response. A body that is not a JSON object has none."""
    body = _text(response)
    fields = _fields(body) if _OBJECT.match(body) else None
    if fields is None:
        return Envelope({}, (), xxh3_128_digest(response.body), is_object=False)
    lists = list(_lists(fields))
    containers = dict.fromkeys(outer for path, _ in lists for outer in _outside(path))
    if not containers and not fields.keys().isdisjoint(NAMES):
        containers[""] = None
    records = b"".join(xxh3_128_digest(memoryview(raw)) for _, raw in lists)
    return Envelope(fields, tuple(containers), xxh3_128_digest(records if lists else body), is_object=True)


def _text(response: Response) -> bytes:
    """Return a body as the text of an envelope: decompressed, in UTF-8; empty if it is not text."""
    body = response.body
    stream = Stream(BytesIO(body), "")
    try:
        opened = decompressed(stream)
        body = body if opened is stream else opened.read(_LARGEST_TEXT)
    except SourceError:  # reported when the records are read
        return b""
    shown, mark = shown_encoding(body[:4])
    encoding = shown or response.charset or "utf-8"
    try:
        if codecs.lookup(encoding).name == "utf-8":
            return body[mark:] if mark else body
        is_object = body[mark : mark + 64].decode(encoding, "ignore").lstrip()[:1] == "{"
        return body[mark:].decode(encoding, "replace").encode() if is_object else b""
    except (LookupError, ValueError):
        return b""


def _fields(body: bytes) -> Fields | None:
    """Return the fields of an object; without its lists if a record of these is damaged."""
    try:
        return _opened(body, _LEVELS)
    except NOT_JSON:
        pass
    try:
        return _opened(_without_lists(body), _LEVELS)
    except NOT_JSON:
        return None


def _opened(text: bytes | msgspec.Raw, levels: int) -> Fields:
    fields: Fields = dict(json_object(text))
    if len(fields) > _MOST_MEMBERS:
        return fields
    for name, raw in fields.items():
        if levels > 1 and bytes(memoryview(raw)[:1]) == b"{":
            fields[name] = _opened(raw, levels - 1)
    for name in repeated_names(text):
        fields[name] = _REPEATED
    return fields


def _without_lists(body: bytes) -> bytes:
    """Return an object with one empty object in each of its lists, or none; empty if a list does not end."""
    parts, begin, depth, at = [], 0, 0, 0
    while (found := _NEXT_BRACKET.match(body, at)) is not None:
        at = found.end()
        if found[1] == b"[":
            if depth == 0:
                parts += [body[begin:at], b"{}" if _RECORDS.match(body, at - 1) else b""]
            depth += 1
        elif depth:
            depth -= 1
            begin = begin if depth else at - 1
    return b"".join(parts) + body[begin:] if depth == 0 else b""


def _is_empty(value: Any) -> bool:
    if isinstance(value, msgspec.Raw):
        return len(memoryview(value)) <= _SHORT and bytes(value) in _EMPTY
    return isinstance(value, dict) and not value


def _at(fields: Any, path: str) -> Any:
    """Return the value at a dotted path of names, which may have dots themselves; None if it leads nowhere."""
    inner = object_in(fields)
    if inner is None:
        return fields if fields is _REPEATED else None
    if path in inner:
        return inner[path]
    dots = (place for place, letter in enumerate(path) if letter == ".")
    found = (_at(inner[path[:dot]], path[dot + 1 :]) for dot in dots if path[:dot] in inner)
    return next((value for value in found if value is not None), None)


def _lists(fields: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, msgspec.Raw]]:
    """Yield the dotted paths of lists of records."""
    for name, value in fields.items():
        inner = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            yield from _lists(value, inner)
        elif isinstance(value, msgspec.Raw) and name not in _LINKS and _RECORDS.match(memoryview(value)):
            yield inner, value


def _outside(path: str) -> Iterator[str]:
    """Yield the paths of the objects around a path, from the outside."""
    steps = path.split(".")[:-1]
    for length in range(len(steps) + 1):
        yield ".".join(steps[:length])
