"""Where the fields of a bid are inside a nested record: our own schema's, another writer's, or OpenRTB's.

Pure functions of one decoded record (a dict, as JSON and Avro decoders give it).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from advertisex.feeds.feed import Feed

Record = Mapping[str, Any]

_TARGETING = "targeting"
_STRUCTURES = (dict, list)
#: How deep nested records are searched for a field's name.
_DEPTH = 8

#: OpenRTB 2.x (IAB Tech Lab, section 3.2): for each field of ours, the places where it may be, first found wins.
#: OpenRTB has no timestamp of its own; a top-level one (`--set`, `--map`) is taken.
OPENRTB: dict[str, tuple[tuple[str | int, ...], ...]] = {
    "user_id": (("user", "id"), ("user", "buyeruid"), ("device", "ifa")),
    "auction_id": (("id",),),
    "amount": (("imp", 0, "bidfloor"),),
    "currency": (("imp", 0, "bidfloorcur"), ("cur", 0)),
    "website": (("site", "page"), ("site", "domain")),
    "country": (("device", "geo", "country"), ("user", "geo", "country")),
    "device": (("device", "os"), ("device", "ua")),
}
OPENRTB_TARGETING: dict[str, tuple[str | int, ...]] = {
    "keywords": ("user", "keywords"),
    "gender": ("user", "gender"),
    "categories": ("site", "cat"),
    "app": ("app", "bundle"),
    "language": ("device", "language"),
    "blocked_categories": ("bcat",),
    "blocked_advertisers": ("badv",),
}


def flattener(feed: Feed) -> Callable[[Record], dict[str, Any]]:
    """A function that finds the feed's fields in a nested record: by canonical name, values as they are.

    A name or alias at the top wins, then one in a nested record, outermost first; there it must hold a single value,
    for a name that holds a whole record there is another thing of the same name. An OpenRTB request (it has a list
    of `imp`) is looked up by its own paths where no name of ours is at the top.
    """
    # worked out once: this runs for every record
    plan = [(f.name, f.names, f.required or f.is_id or f.kind != "text") for f in feed.fields]

    def flatten(record: Record) -> dict[str, Any]:
        is_openrtb = isinstance(record.get("imp"), list)
        found = _openrtb(record) if is_openrtb else {}
        nested = _nested(record) if not is_openrtb and dict in map(type, record.values()) else []
        for field, names, is_judged in plan:
            value = next((v for name in names if (v := record.get(name)) is not None), None)
            if field != _TARGETING and isinstance(value, _STRUCTURES) and (is_openrtb or not is_judged):
                value = None
            if value is None and nested:
                value = _first_within(nested, field, names)
            if value is not None:
                found[field] = value
        return found

    return flatten


def targeting_text(value: Any) -> str:
    """Targeting as one JSON object in text, keys in order; text passes as it is."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, order="sorted").decode()


def _openrtb(request: Record) -> dict[str, Any]:
    found = {name: _first(request, places) for name, places in OPENRTB.items()}
    targeting = {name: _at(request, path) for name, path in OPENRTB_TARGETING.items()}
    given = {name: value for name, value in targeting.items() if value is not None}
    return {name: value for name, value in (found | {"targeting": given or None}).items() if value is not None}


def _nested(record: Record) -> list[Record]:
    """The records inside a record, breadth first; `targeting` is a value of ours, not a place to look."""
    level, found = [record], []
    for _ in range(_DEPTH):
        level = [v for holder in level for k, v in holder.items() if isinstance(v, dict) and k != _TARGETING]
        found += level
    return found


def _first_within(nested: list[Record], field: str, names: Sequence[str]) -> Any:
    for holder in nested:
        for name in names:
            value = holder.get(name)
            if value is not None and (field == _TARGETING or not isinstance(value, _STRUCTURES)):
                return value
    return None


def _first(record: Record, places: Sequence[Sequence[str | int]]) -> Any:
    return next((value for place in places if (value := _at(record, place)) is not None), None)


def _at(record: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        if isinstance(step, int):
            record = record[step] if isinstance(record, list) and len(record) > step else None
        else:
            record = record.get(step) if isinstance(record, dict) else None
    return record
