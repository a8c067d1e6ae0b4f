"""What is around the records of a JSON body."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from xxhash import xxh3_128_digest

from advertisex.codecs.json_text import NOT_JSON, object_in
from advertisex.errors import SourceError
from advertisex.ingestion.api.paging.fields import RECORDS, REPEATED, Fields, fields_of
from advertisex.ingestion.api.paging.links import LONGEST
from advertisex.ingestion.api.paging.parameters import whole_number
from advertisex.ingestion.api.request import Response
from advertisex.ingestion.json.envelope import NAMES

#: Objects beside the records that hold the paging; empty for the envelope itself.
_PLACES = (
    "", "meta", "_meta", "metadata", "_metadata", "response_metadata", "pagination", "paging", "page", "pages", "info",
    "page_info", "pageInfo", "paging_info", "pagingInfo", "links", "_links", "link", "view", "hydra:view", "cursor",
    "cursors", "result_info", "resultInfo", "additional_data.pagination", "meta.pagination", "meta.paging", "meta.page",
    "meta.links", "pagination.links", "metadata.pagination", "metadata.links",
)  # fmt: skip
#: Lists of links, not of records.
_LINKS = ("links", "_links")
#: More bytes than a list of links has, and more characters than a name around records.
_SMALL = 2**16
_LONGEST_NAME = 100
_FLAGS = {"true": True, "false": False}
_SHORT = 24
_EMPTY_LIST = re.compile(rb"\[\s*+\]")
_EMPTY = (b"null", b"false", b'""', b"0", b"{}", b"[]")


class Place(NamedTuple):
    """An object that may hold the paging.

    Attributes:
        around: dotted path of the object around the records to which it belongs.
        path: its own dotted path.
        names: the names in it.
    """

    around: str
    path: str
    names: Collection[str]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is around the records of a body.

    Attributes:
        fields: its fields; empty if the body is not a JSON object.
        places: each object that may hold the paging; none for a single record.
        lists: dotted paths of the lists that have records.
        fingerprint: equal for bodies with the same records.
        is_object: whether the body is a JSON object.
    """

    fields: Fields = field(repr=False)
    places: tuple[Place, ...]
    lists: tuple[str, ...]
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
                f"the value of {path!r} in the response is longer than {LONGEST} bytes",
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

    def _short(self, path: str) -> str | None:
        value = self._found(path)
        is_short = isinstance(value, msgspec.Raw) and len(memoryview(value)) <= _SHORT
        return bytes(value).decode("utf-8", "replace").strip('"').removesuffix(".0") if is_short else None

    def _found(self, path: str) -> Any:
        found = _at(self.fields, path)
        if found is None and "links." in path:
            found = self._in_links(path)
        if found is REPEATED:
            raise SourceError(
                f"the name {path!r} occurs twice in the response", hint="choose another type of paging with paginate"
            )
        return found

    def _in_links(self, path: str) -> Any:
        """Return a value in a list of links: that of `href` for `links.next.href` in `[{"rel": "next", "href": …}]`."""
        start, _, rest = path.rpartition("links.")
        relation, _, name = rest.partition(".")
        return _links(_at(self.fields, f"{start}links")).get(relation, {}).get(name)


def envelope_of(response: Response) -> Envelope:
    """Return the envelope of a response. A body that is not a JSON object has none."""
    fields = fields_of(response)
    if fields is None:
        return Envelope({}, (), (), xxh3_128_digest(response.body), is_object=False)
    lists = list(_lists(fields))
    containers = dict.fromkeys(outer for path, _ in lists for outer in _outside(path))
    if not containers and not fields.keys().isdisjoint(NAMES):
        containers[""] = None
    places = ((container, ".".join(filter(None, (container, place)))) for container in containers for place in _PLACES)
    found = (Place(around, path, _members(_at(fields, path) if path else fields)) for around, path in places)
    filled = tuple(path for path, raw in lists if not _EMPTY_LIST.match(memoryview(raw)))
    records = b"".join(xxh3_128_digest(memoryview(raw)) for _, raw in lists)
    fingerprint = xxh3_128_digest(records or response.body)
    return Envelope(fields, tuple(place for place in found if place.names), filled, fingerprint, is_object=True)


def _members(value: Any) -> Collection[str]:
    """Return the names in an object, or the relations in a list of links."""
    return object_in(value) or _links(value)


def _links(listed: Any) -> dict[str, dict[str, msgspec.Raw]]:
    """Return the links of a list by their relation."""
    if not isinstance(listed, msgspec.Raw) or len(memoryview(listed)) > _SMALL:
        return {}
    try:
        links = msgspec.json.decode(listed, type=list[dict[str, msgspec.Raw]])
        return {msgspec.json.decode(link["rel"], type=str): link for link in reversed(links) if "rel" in link}
    except NOT_JSON:
        return {}


def _is_empty(value: Any) -> bool:
    if isinstance(value, msgspec.Raw):
        return len(memoryview(value)) <= _SHORT and bytes(value) in _EMPTY
    return isinstance(value, dict) and not value


def _at(fields: Any, path: str) -> Any:
    """Return the value at a dotted path of names, which may have dots themselves; None if it leads nowhere."""
    inner = object_in(fields)
    if inner is None:
        return fields if fields is REPEATED else None
    if path in inner:
        return inner[path]
    dots = (place for place, letter in enumerate(path) if letter == ".")
    found = (_at(inner[path[:dot]], path[dot + 1 :]) for dot in dots if path[:dot] in inner)
    return next((value for value in found if value is not None), None)


def _lists(fields: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, msgspec.Raw]]:
    """Yield the dotted paths of lists of records."""
    for name, value in fields.items():
        if len(name) > _LONGEST_NAME or not name.isprintable():
            continue
        inner = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            yield from _lists(value, inner)
        elif isinstance(value, msgspec.Raw) and name not in _LINKS and RECORDS.match(memoryview(value)):
            yield inner, value


def _outside(path: str) -> Iterator[str]:
    """Yield the paths of the objects around a path, from the outside."""
    steps = path.split(".")[:-1]
    for length in range(len(steps) + 1):
        yield ".".join(steps[:length])
