"""Find the fields of a bid in a nested record: our own schema, another writer's, or OpenRTB.

Pure functions of one decoded record (a dict, as returned by the JSON and Avro decoders).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from advertisex.codecs.json_decode import Digits
from advertisex.feeds.feed import Feed
from advertisex.feeds.words import is_missing
from advertisex.limits import Limit

Record = Mapping[str, Any]

_TARGETING = "targeting"
_STRUCTURES = (dict, list)
_DEPTH = Limit(8, "levels", of="the nesting in which fields of a bid are searched", beyond="not found")

#: In a path: each item of a list.
EACH = "[]"
Path = tuple[str | int, ...]

#: OpenRTB 2.x (IAB Tech Lab, section 3.2): candidate paths of each of our fields; the first one with a value wins.
#: OpenRTB has no timestamp; a top-level one (from `--set` or `--map`) is used.
OPENRTB: dict[str, tuple[Path, ...]] = {
    "user_id": (
        ("user", "id"),
        ("user", "buyeruid"),
        ("user", "eids", EACH, "uids", EACH, "id"),
        ("device", "ifa"),
    ),
    "auction_id": (("id",),),
    "amount": (("imp", 0, "bidfloor"),),
    "currency": (("imp", 0, "bidfloorcur"), ("cur", 0)),
    "website": (("site", "page"), ("site", "domain")),
    "app": (("app", "bundle"),),
    "country": (("device", "geo", "country"), ("user", "geo", "country")),
    "device": (("device", "os"), ("device", "ua")),
    "test": (("test",),),
}
OPENRTB_TARGETING: dict[str, Path] = {
    "keywords": ("user", "keywords"),
    "gender": ("user", "gender"),
    "categories": ("site", "cat"),
    "language": ("device", "language"),
    "blocked_categories": ("bcat",),
    "blocked_advertisers": ("badv",),
}
#: Names at the top of a request that are read.
OPENRTB_NAMES = {str(path[0]) for paths in (*OPENRTB.values(), OPENRTB_TARGETING.values()) for path in paths}


def flattener(feed: Feed) -> Callable[[Record], dict[str, Any]]:
    """Return a function that extracts the feed's fields from a nested record, by canonical name, values unchanged.

    A name or alias at the top level wins, then one in a nested record, outermost first. A nested match must be a
    scalar: a record or list of that name has another meaning. An OpenRTB request (see `is_openrtb`) is read by the
    OpenRTB paths, unless one of our names is at the top level. A missing value (`is_missing`) does not count: it is
    returned only if no other is found.
    """
    # computed once, because `flatten` runs for every record
    plan = [(f.name, f.names, f.kind == "json", f.required or f.is_id or not f.is_text) for f in feed.fields]

    def flatten(record: Record) -> dict[str, Any]:
        openrtb = is_openrtb(record)
        found = _openrtb(record) if openrtb else {}
        nested = _nested(record) if not openrtb and dict in map(type, record.values()) else []
        for field, names, is_json, is_validated in plan:
            value = _first_given(map(record.get, names))
            if not is_json and isinstance(value, _STRUCTURES) and (openrtb or not is_validated):
                value = None
            if nested and is_missing(value):
                value = _first_given((value, _first_within(nested, names, structures=is_json)))
            if value is not None and not (is_missing(value) and field in found):
                found[field] = value
        return found

    return flatten


def is_openrtb(record: Record) -> bool:
    """Whether a record is an OpenRTB bid request: it has a list of impressions."""
    return isinstance(record.get("imp"), list)


def _as_sent(value: Any) -> msgspec.Raw:
    if isinstance(value, Digits):
        return msgspec.Raw(value.encode())
    raise ValueError(f"{type(value).__name__} has no JSON equivalent")


_sorted_json = msgspec.json.Encoder(order="sorted", decimal_format="number", enc_hook=_as_sent).encode


def targeting_text(value: Any) -> str:
    """Return targeting as the text of one JSON object with sorted keys; text is returned unchanged."""
    if isinstance(value, str):
        return value
    return _sorted_json(value).decode()


def _openrtb(request: Record) -> dict[str, Any]:
    found = {name: _first_given(_values(request, paths)) for name, paths in OPENRTB.items()}
    targeting = {name: next(_at(request, path), None) for name, path in OPENRTB_TARGETING.items()}
    present = {name: value for name, value in targeting.items() if value is not None}
    return {name: value for name, value in (found | {"targeting": present or None}).items() if value is not None}


def _nested(record: Record) -> list[Record]:
    """Return the nested records, breadth first, without `targeting`, which is a field and not a container."""
    level, found = [record], []
    for _ in range(_DEPTH):
        level = [v for holder in level for k, v in holder.items() if isinstance(v, dict) and k != _TARGETING]
        found += level
    return found


def _first_within(nested: list[Record], names: Sequence[str], *, structures: bool) -> Any:
    values = (holder.get(name) for holder in nested for name in names)
    return _first_given(value for value in values if structures or not isinstance(value, _STRUCTURES))


def _first_given(values: Iterable[Any]) -> Any:
    """The first value that is not missing; without one, the first text for a missing value."""
    fallback = None
    for value in values:
        if not is_missing(value):
            return value
        fallback = value if fallback is None else fallback
    return fallback


def _values(request: Record, paths: Sequence[Path]) -> Iterator[Any]:
    """The values at some paths. An advertising id of zeros is left out: its owner has switched it off."""
    for path in paths:
        for value in _at(request, path):
            if path[-1] != "ifa" or not (isinstance(value, str) and set(value.strip()) <= {"0", "-"}):
                yield value


def _at(record: Any, path: Sequence[str | int]) -> Iterator[Any]:
    """The values at a path: several only if it has the step `EACH`."""
    if not path:
        yield record
    elif path[0] == EACH:
        for item in record if isinstance(record, list) else ():
            yield from _at(item, path[1:])
    elif isinstance(path[0], int):
        if isinstance(record, list) and len(record) > path[0]:
            yield from _at(record[path[0]], path[1:])
    elif isinstance(record, dict) and path[0] in record:
        yield from _at(record[path[0]], path[1:])
