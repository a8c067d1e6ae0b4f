import json
from typing import Any

import pytest

from advertisex.feeds import FEEDS
from advertisex.feeds.rules import with_own_fields
from advertisex.ingestion.event_types import MOST_TYPES, EventTypes, meanings
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Record

CLICKS = FEEDS["clicks"]
TYPE = next(f for f in CLICKS.fields if f.kind == "event_type")


@pytest.mark.parametrize(
    ("text", "meaning", "conversion"),
    [
        ("click", "a click", False),
        (" Clicks ", "a click", False),
        ("f", "a click", False),
        ("0.0", "a click", False),
        ("T", "a click that converted", False),
        ("1", "a click that converted", False),
        ("refund", "a refund", False),
        ("purchase", "a conversion of that type", True),
        ("Sign Up", "a conversion of that type", True),
        ("NULL", "missing", False),
        ("", "missing", False),
        ("2", "rejected", False),
        ("Impression", "rejected", False),
    ],
)
def test_what_a_text_of_the_type_column_means(text: str, meaning: str, conversion: bool) -> None:
    (found,) = meanings([text], TYPE, CLICKS)
    assert (found.text, found.meaning, found.conversion) == (text, meaning, conversion)
    assert bool(found.rejected) == (meaning == "rejected")


def test_what_a_text_of_a_flag_means() -> None:
    feed = with_own_fields(CLICKS, {"viewable": "flag"})
    flag = feed.field_named("viewable")
    assert flag is not None
    found = meanings(["Y", "no", "-", "maybe"], flag, feed)
    assert [one.meaning for one in found] == ["true", "false", "missing", "rejected"]
    assert found[3].rejected == "viewable must be true or false"


ROWS: list[dict[str, Any]] = [
    {"conversion": "buy", "x": 1},
    {"conversion": " click "},
    {"conversion": True},
    {"conversion": None, "event_type": "lead"},
    {"x": "none"},
    {"conversion": ["a"]},
    {"conversion_type": "call", "conversion": "web"},
]


@pytest.mark.parametrize("as_json", [False, True])
def test_types_are_collected_from_rows_and_from_json(as_json: bool) -> None:
    types = EventTypes(CLICKS, FieldMapping())
    for row in ROWS:
        types.see([json.dumps(row).encode() if as_json else row])
    assert types.seen - {""} == {"buy", "click", "true", "lead", "call"}

    columns = {name for row in ROWS for name in row}
    table: list[Record] = [{name: row.get(name) for name in columns} for row in ROWS]  # rows of a table have them all
    together = EventTypes(CLICKS, FieldMapping())
    together.see([json.dumps(row).encode() for row in table] if as_json else table)
    assert together.seen - {""} == types.seen - {""}


def test_the_first_row_may_lack_the_last_column() -> None:
    types = EventTypes(CLICKS, FieldMapping())
    types.see([{"user_id": "u"}, {"user_id": "u", "conversion": "buy"}])
    types.see([{"user_id": "u", "conversion": ["buy"]}, {"user_id": "u", "conversion": "call"}])
    assert types.seen - {""} == {"buy", "call"}


@pytest.mark.parametrize("as_json", [False, True])
def test_types_are_collected_from_mapped_columns(as_json: bool) -> None:
    row: dict[str, Any] = {"Aktion": "Kauf", "conversion": "other", "p": {"t": "deep"}}
    record: Record = json.dumps(row).encode() if as_json else row
    for mapping, expected in [
        (FieldMapping({"Aktion": "conversion"}), {"Kauf"}),
        (FieldMapping({}, {"conversion_type": "fixed"}), set()),
    ]:
        types = EventTypes(CLICKS, mapping)
        types.see([record])
        assert types.seen == expected
    nested = EventTypes(CLICKS, FieldMapping({"p.t": "conversion_type"}))
    nested.see([record, b"{", b"\xff"])
    assert nested.seen - {""} == {"deep"}


def test_only_conversions_are_new_and_only_once() -> None:
    first = EventTypes(CLICKS, FieldMapping())
    first.see([{"conversion": text} for text in ("buy", "click", "1", "refund", "2", "view")])
    new, remembered = first.new(None)
    assert new == ("buy",)

    again = EventTypes(CLICKS, FieldMapping())
    again.see([{"conversion": text} for text in ("buy", "call")])
    new, remembered = again.new(remembered)
    assert new == ("call",)
    assert again.new(remembered) == ((), remembered)


def test_a_column_of_ids_names_no_types_and_a_feed_may_have_none() -> None:
    ids = EventTypes(CLICKS, FieldMapping())
    ids.see([{"conversion": f"id-{n}"} for n in range(MOST_TYPES + 1)])
    ids.see([{"conversion": "more"}])
    assert ids.new(None) == ((), b"[]")

    impressions = EventTypes(FEEDS["impressions"], FieldMapping())
    impressions.see([{"conversion": "buy"}])
    assert (impressions.seen, impressions.new(None)) == (set(), ((), b"[]"))
