"""Find the fields of a bid in a nested record: our own schema, another writer's, or OpenRTB.

Pure functions of one decoded record (a dict, as returned by the JSON and Avro decoders).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from advertisex.codecs.json_decode import Digits
from advertisex.feeds.feed import Feed

Record = Mapping[str, Any]

_TARGETING = "targeting"
_STRUCTURES = (dict, list)
#: Maximum depth at which nested records are searched for a field.
_DEPTH = 8

#: OpenRTB 2.x (IAB Tech Lab, section 3.2): candidate paths of each of our fields; the first match wins.
#: OpenRTB has no timestamp; a top-level one (from `--set` or `--map`) is used.
OPENRTB: dict[str, tuple[tuple[str | int, ...], ...]] = {
    "user_id": (("user", "id"), ("user", "buyeruid"), ("device", "ifa")),
    "auction_id": (("id",),),
    "amount": (("imp", 0, "bidfloor"),),
    "currency": (("imp", 0, "bidfloorcur"), ("cur", 0)),
    "website": (("site", "page"), ("site", "domain")),
    "app": (("app", "bundle"),),
    "country": (("device", "geo", "country"), ("user", "geo", "country")),
    "device": (("device", "os"), ("device", "ua")),
}
OPENRTB_TARGETING: dict[str, tuple[str | int, ...]] = {
    "keywords": ("user", "keywords"),
    "gender": ("user", "gender"),
    "categories": ("site", "cat"),
    "language": ("device", "language"),
    "blocked_categories": ("bcat",),
    "blocked_advertisers": ("badv",),
}


def flattener(feed: Feed) -> Callable[[Record], dict[str, Any]]:
    """Return a function that extracts the feed's fields from a nested record, by canonical name, values unchanged.

    A name or alias at the top level wins, then one in a nested record, outermost first. A nested match must be a
    scalar: a record or list of that name has another meaning. An OpenRTB request (it has a list `imp`) is read by
    the OpenRTB paths, unless one of our names is at the top level.
    """
    # computed once, because `flatten` runs for every record
    plan = [(f.name, f.names, f.kind == "json", f.required or f.is_id or not f.is_text) for f in feed.fields]

    def flatten(record: Record) -> dict[str, Any]:
        is_openrtb = isinstance(record.get("imp"), list)
        found = _openrtb(record) if is_openrtb else {}
        nested = _nested(record) if not is_openrtb and dict in map(type, record.values()) else []
        for field, names, is_json, is_validated in plan:
            value = next((v for name in names if (v := record.get(name)) is not None), None)
            if not is_json and isinstance(value, _STRUCTURES) and (is_openrtb or not is_validated):
                value = None
            if value is None and nested:
                value = _first_within(nested, names, structures=is_json)
            if value is not None:
                found[field] = value
        return found

    return flatten


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
    found = {name: _first(request, places) for name, places in OPENRTB.items()}
    targeting = {name: _at(request, path) for name, path in OPENRTB_TARGETING.items()}
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
    for holder in nested:
        for name in names:
            value = holder.get(name)
            if value is not None and (structures or not isinstance(value, _STRUCTURES)):
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
