"""Where the fields of a bid are inside a nested record: our own schema's, another writer's, or OpenRTB's.

Pure functions of one decoded record (a dict, as JSON and Avro decoders give it).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from advertisex.feeds.feed import Feed

Record = Mapping[str, Any]

#: OpenRTB 2.x (IAB Tech Lab, section 3.2): for each field of ours, the places where it may be, first found wins.
#: OpenRTB has no timestamp of its own; a top-level one (`--set`, `--map`) is taken.
_OPENRTB: dict[str, tuple[tuple[str | int, ...], ...]] = {
    "user_id": (("user", "id"), ("user", "buyeruid"), ("device", "ifa")),
    "auction_id": (("id",),),
    "amount": (("imp", 0, "bidfloor"),),
    "currency": (("imp", 0, "bidfloorcur"), ("cur", 0)),
    "website": (("site", "page"), ("site", "domain")),
    "country": (("device", "geo", "country"), ("user", "geo", "country")),
    "device": (("device", "os"), ("device", "ua")),
}
_OPENRTB_TARGETING: dict[str, tuple[str | int, ...]] = {
    "keywords": ("user", "keywords"),
    "gender": ("user", "gender"),
    "categories": ("site", "cat"),
    "app": ("app", "bundle"),
    "language": ("device", "language"),
    "blocked_categories": ("bcat",),
    "blocked_advertisers": ("badv",),
}


def flatten(record: Record, feed: Feed) -> dict[str, Any]:
    """The feed's fields that a nested record holds, by canonical name, values as they are.

    A name or alias at the top wins, then the same name in a nested record, outermost first. An OpenRTB request
    (it has a list of `imp`) is looked up by its own paths where no name of ours is at the top.
    """
    found = _openrtb(record) if isinstance(record.get("imp"), Sequence) else {}
    levels = [record, *_nested(record)] if not found else [record]
    for field in feed.fields:
        value = next((level[name] for level in levels for name in field.names if level.get(name) is not None), None)
        if value is not None:
            found[field.name] = value
    return found


def targeting_text(value: Any) -> str:
    """Targeting as one JSON object in text, keys in order; text passes as it is."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, order="sorted").decode()


def _openrtb(request: Record) -> dict[str, Any]:
    found = {name: _first(request, places) for name, places in _OPENRTB.items()}
    targeting = {name: _at(request, path) for name, path in _OPENRTB_TARGETING.items()}
    given = {name: value for name, value in targeting.items() if value is not None}
    return {name: value for name, value in (found | {"targeting": given or None}).items() if value is not None}


def _nested(record: Record) -> Iterator[Record]:
    """The records inside a record, breadth first; `targeting` is a value of ours, not a place to look."""
    level = [value for name, value in record.items() if isinstance(value, dict) and name != "targeting"]
    yield from level
    for inner in level:
        yield from _nested(inner)


def _first(record: Record, places: Sequence[Sequence[str | int]]) -> Any:
    return next((value for place in places if (value := _at(record, place)) is not None), None)


def _at(record: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        if isinstance(step, int):
            record = record[step] if isinstance(record, list) and len(record) > step else None
        else:
            record = record.get(step) if isinstance(record, dict) else None
    return record
