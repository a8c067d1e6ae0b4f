"""Decode stage: a message becomes text columns or one reject, whatever other messages contain."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import fastavro
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.codecs.avro_framing import CONFLUENT_MARKER, HEADER, MARKER, fingerprint
from advertisex.feeds import FEEDS
from advertisex.processing.decode import MAX_BYTES, decode
from tests.budget import examples
from tests.processing.messages import (
    GOOD,
    avro_datum,
    avro_message,
    event_of,
    message,
    outcome_of,
    reject_of,
    written,
)

#: The schema of another writer: flat, with a timestamp as a logical type.
FOREIGN_SCHEMA = {
    "type": "record",
    "name": "Bid",
    "fields": [
        {"name": "user_id", "type": "long"},
        {"name": "event_timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "bid_amount", "type": "double"},
        {"name": "targeting", "type": {"type": "map", "values": "string"}},
    ],
}
SCHEMA_ID = 1234


def suite(shared_data: Callable[[str], Path], outcome: str) -> dict[str, bytes]:
    files = sorted(shared_data("json_test_suite").glob(f"{outcome}_*.json"))
    assert len(files) > 90
    return {path.name: path.read_bytes() for path in files}


# -- JSON --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", FEEDS)
def test_invalid_json_is_undecodable(shared_data: Callable[[str], Path], feed: str) -> None:
    payloads = suite(shared_data, "n")

    outcome = outcome_of(feed, *payloads.values())

    found = {
        name: (row["stage"], row["reason"])
        for name, row in zip(payloads, outcome.rejects.iter_rows(named=True), strict=True)
    }
    # what has no text has another reason
    empty = {"n_structure_no_data.json", "n_single_space.json", "n_structure_UTF8_BOM_no_data.json"}
    assert found == {name: ("decode", "empty_message" if name in empty else "undecodable") for name in payloads}
    assert outcome.rejects["payload"].to_list() == list(payloads.values())


@pytest.mark.parametrize("feed", FEEDS)
def test_valid_json_is_never_undecodable(shared_data: Callable[[str], Path], feed: str) -> None:
    payloads = suite(shared_data, "y")

    outcome = outcome_of(feed, *payloads.values())

    assert outcome.rejects.height == len(payloads)  # none of them is an event
    reasons = set(outcome.rejects["reason"])
    assert "undecodable" not in reasons
    assert reasons <= {"not_an_object", "missing_field", "wrong_type"}


@pytest.mark.parametrize("feed", FEEDS)
def test_valid_json_in_an_unknown_field_changes_nothing(shared_data: Callable[[str], Path], feed: str) -> None:
    payloads = [message(feed)[:-1] + b', "other": ' + text + b"}" for text in suite(shared_data, "y").values()]

    outcome = outcome_of(feed, *payloads)

    assert outcome.rejects.is_empty()
    assert outcome.events.height + outcome.repeated.height == len(payloads)
    assert outcome.events.height == 1


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(
    "payload",
    [b"\xff\xfe\x00", b"\x00", b"\x00\x00\x00\x00\x01", b"\xc3\x01", b"\xc3", b"\x80" * 100, bytes(range(256)), b"{"],
)
def test_binary_garbage_is_undecodable_and_kept_whole(feed: str, payload: bytes) -> None:
    reject = reject_of(feed, payload)

    assert (reject["kind"], reject["stage"], reject["reason"]) == ("rejected", "decode", "undecodable")
    assert reject["payload"] == payload


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("field", ["user_id", "other"])
def test_invalid_utf8_is_undecodable_in_any_field(feed: str, field: str) -> None:
    payload = message(feed, **{field: "XX"}).replace(b"XX", b"\xff\xfe")

    assert reject_of(feed, payload)["reason"] == "undecodable"


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("depth", [900, 100_000])
def test_deep_nesting_costs_one_message_at_most(feed: str, depth: int) -> None:
    deep = message(feed)[:-1] + b', "other": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"

    outcome = outcome_of(feed, message(feed, user_id="a"), deep, message(feed, user_id="b"))

    assert {"a", "b"} <= set(outcome.events["user_id"])
    assert outcome.events.height + outcome.rejects.height == 3
    assert set(outcome.rejects["reason"]) <= {"undecodable"}


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("value", ["[" * 990 + "]" * 990, '[{"a":' * 400 + "1" + "}]" * 400])
def test_a_deep_value_of_a_field_takes_no_memory_for_its_type(feed: str, value: str) -> None:
    """Polars needs gigabytes for the type of a list of 500 levels."""
    before = getrusage(RUSAGE_SELF).ru_maxrss
    for field in ("timestamp", "user_id"):
        assert reject_of(feed, written(feed, **{field: value}))["reason"] in {"wrong_type", "undecodable"}
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("feed", FEEDS)
def test_a_value_at_the_depth_limit_costs_one_message(feed: str) -> None:
    """Close to the limit, a value can be decoded but not shown."""
    deep = [written(feed, user_id="[" * depth + "]" * depth) for depth in range(900, 1000)]

    assert outcome_of(feed, message(feed), *deep).rejects["offset"].to_list() == list(range(1, 101))


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("payload", [b"[]", b"1", b'"text"', b"null", b"true", b'[{"user_id": "u"}]'])
def test_a_document_that_is_not_an_object_is_reported_as_such(feed: str, payload: bytes) -> None:
    reject = reject_of(feed, payload)

    assert (reject["stage"], reject["reason"]) == ("decode", "not_an_object")
    assert payload.decode() in reject["detail"]


@pytest.mark.parametrize("feed", FEEDS)
def test_empty_and_oversized_messages_are_rejected(feed: str) -> None:
    padding = MAX_BYTES - len(message(feed, other=""))
    largest = message(feed, other="x" * padding)
    oversized = message(feed, other="x" * (padding + 1))
    assert (MAX_BYTES, len(largest), len(oversized)) == (2**20, 2**20, 2**20 + 1)

    outcome = outcome_of(feed, b"", largest, oversized)

    assert outcome.events["offset"].to_list() == [1]
    assert outcome.rejects["reason"].to_list() == ["empty_message", "oversized"]
    assert outcome.rejects["payload"].to_list() == [b"", oversized]
    assert str(len(oversized)) in outcome.rejects["detail"][1]


WRONG: list[tuple[str, Any]] = [("user_id", {}), ("user_id", ["a"]), ("user_id", True), ("user_id", 1.5)]


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(("field", "value"), [*WRONG, ("timestamp", {"$date": 1}), ("timestamp", [1])])
def test_a_value_of_the_wrong_type_is_reported_with_its_field(feed: str, field: str, value: Any) -> None:
    reject = reject_of(feed, message(feed, **{field: value}))

    assert (reject["stage"], reject["reason"]) == ("decode", "wrong_type")
    assert field in reject["detail"]
    assert repr(value) in reject["detail"]


@pytest.mark.parametrize(
    ("feed", "alias", "field"),
    [(feed.name, alias, f.name) for feed in FEEDS.values() for f in feed.fields for alias in f.aliases],
)
def test_every_alias_is_read(feed: str, alias: str, field: str) -> None:
    value = GOOD[feed].get(field, 2)
    aliased = message(feed, **{field: ..., alias: value})

    assert event_of(feed, aliased) == event_of(feed, message(feed, **{field: value}))


def test_the_canonical_name_wins_over_an_alias_unless_it_is_null() -> None:
    assert event_of("impressions", message("impressions", creative="x"))["creative_id"] == "c1"
    assert event_of("impressions", message("impressions", creative_id=None, creative="x"))["creative_id"] == "x"


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("number", [7, 0xFFFFFFFFFFFFFFFF, 2**70, 2**127, 10**40, 10**300])
def test_a_whole_number_is_the_same_id_as_its_text(feed: str, number: int) -> None:
    assert event_of(feed, message(feed, user_id=number)) == event_of(feed, message(feed, user_id=str(number)))


BEYOND_64_BITS = ["1" + "0" * 40, "-2" + "0" * 38, "9" * 300]


@pytest.mark.parametrize("token", BEYOND_64_BITS)
@pytest.mark.parametrize(
    ("feed", "field"), [(feed.name, f.name) for feed in FEEDS.values() for f in feed.fields if not f.is_text]
)
def test_a_huge_number_costs_only_its_own_message(feed: str, field: str, token: str) -> None:
    outcome = outcome_of(feed, message(feed, user_id="a"), written(feed, **{field: token}), message(feed, user_id="b"))

    assert outcome.events["user_id"].to_list() == ["a", "b"]
    (reject,) = outcome.rejects.iter_rows(named=True)
    assert reject["offset"] == 1
    assert field in reject["detail"]


@pytest.mark.parametrize("token", BEYOND_64_BITS)
@pytest.mark.parametrize(
    ("feed", "field"), [(feed.name, f.name) for feed in FEEDS.values() for f in feed.fields if f.is_text]
)
def test_text_may_be_a_huge_number(feed: str, field: str, token: str) -> None:
    assert decode([written(feed, **{field: token})], FEEDS[feed])[0][field].to_list() == [token]


def test_a_flag_is_not_blamed_for_another_field() -> None:
    detail = reject_of("clicks", message("clicks", conversion_type=True, clicks=[1]))["detail"]

    assert detail == "clicks: must be a single value, got [1]"


def test_a_repeated_key_gives_one_value_and_one_message() -> None:
    payload = b'{"user_id": "first", ' + message("clicks")[1:-1] + b', "user_id": "last"}'

    assert outcome_of("clicks", payload).read == 1
    assert event_of("clicks", payload)["user_id"] in {"first", "u1", "last"}


# -- Avro --------------------------------------------------------------------------------------------------------


def test_our_own_bids_are_read_field_by_field() -> None:
    instant = datetime(2026, 1, 5, 10, 0, 0, 123456, UTC)

    event = event_of("bids", avro_message("é", instant, {"b": "2", "a": "1"}))

    assert event["user_id"] == "é"
    assert event["event_time"] == instant.replace(tzinfo=None)
    assert (event["creative_id"], event["auction_id"], event["amount"], event["currency"]) == ("c1", "a1", 1.25, "EUR")
    assert (event["website"], event["country"], event["device"]) == ("a.example.com", "DE", None)
    assert json.loads(event["targeting"]) == {"a": "1", "b": "2"}


def test_avro_and_json_of_the_same_bid_are_the_same_event() -> None:
    as_json = message("bids", country="DE", currency="EUR")

    assert event_of("bids", avro_message()) == event_of("bids", as_json)


def test_every_truncated_datum_is_undecodable() -> None:
    whole = avro_message(targeting={"a": "1"})
    truncated = [whole[:length] for length in range(1, len(whole))]

    outcome = outcome_of("bids", *truncated)

    assert outcome.rejects["reason"].to_list() == ["undecodable"] * len(truncated)
    assert outcome.rejects["payload"].to_list() == truncated
    assert outcome.rejects.equals(outcome_of("bids", *truncated).rejects)  # details are the same in every run
    assert not [detail for detail in outcome.rejects["detail"] if " object at 0x" in detail]


def test_bytes_after_a_datum_make_it_undecodable() -> None:
    reject = reject_of("bids", avro_message() + b"\x00")

    assert reject["reason"] == "undecodable"
    assert "1 bytes follow" in reject["detail"]


def test_an_unknown_fingerprint_is_undecodable_and_shown() -> None:
    reject = reject_of("bids", MARKER + b"12345678" + avro_datum())

    assert reject["reason"] == "undecodable"
    assert (MARKER + b"12345678").hex() in reject["detail"]


@settings(max_examples=examples(200))
@given(body=st.binary(max_size=120))
def test_any_bytes_after_our_header_do_not_stop_the_batch(body: bytes) -> None:
    frame, rejected = decode([HEADER + body, avro_message("next")], FEEDS["bids"])

    assert frame.height + rejected.height == 2
    assert frame["user_id"].to_list()[-1] == "next"


@settings(max_examples=examples(200))
@given(place=st.integers(10, len(avro_message()) - 1), byte=st.integers(0, 255))
def test_a_flipped_byte_in_a_datum_does_not_stop_the_batch(place: int, byte: int) -> None:
    whole = avro_message()
    flipped = whole[:place] + bytes([byte]) + whole[place + 1 :]

    outcome = outcome_of("bids", flipped, avro_message("next"))

    assert outcome.events.height + outcome.rejects.height + outcome.repeated.height == 2
    assert outcome.events["user_id"].to_list()[-1] == "next"
    assert not [detail for detail in outcome.rejects["detail"] if " object at 0x" in detail]


def foreign(framing: str, **changes: Any) -> bytes:
    record = {
        "user_id": 42, "event_timestamp": datetime(2026, 1, 5, 10, 0, 0, 123000, UTC), "bid_amount": 0.5,
        "targeting": {"k": "v"},
    } | changes  # fmt: skip
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(FOREIGN_SCHEMA), record)
    header = {
        "confluent": CONFLUENT_MARKER + SCHEMA_ID.to_bytes(4, "big"),
        "single object": MARKER + fingerprint(FOREIGN_SCHEMA),
        "unknown id": CONFLUENT_MARKER + (SCHEMA_ID + 1).to_bytes(4, "big"),
    }[framing]
    return header + body.getvalue()


@pytest.mark.parametrize("framing", ["confluent", "single object"])
def test_a_known_schema_of_another_writer_is_read(framing: str) -> None:
    feed = replace(FEEDS["bids"], confluent_schemas=((SCHEMA_ID, FOREIGN_SCHEMA),))

    event = event_of(feed, foreign(framing))

    assert event["user_id"] == "42"
    assert event["event_time"] == datetime(2026, 1, 5, 10, 0, 0, 123000)
    assert event["amount"] == 0.5
    assert json.loads(event["targeting"]) == {"k": "v"}


def test_confluent_framing_of_an_unknown_schema_is_undecodable() -> None:
    feed = replace(FEEDS["bids"], confluent_schemas=((SCHEMA_ID, FOREIGN_SCHEMA),))

    for known, framing in ((feed, "unknown id"), (FEEDS["bids"], "confluent")):
        reject = reject_of(known, foreign(framing))
        assert reject["reason"] == "undecodable"
        assert reject["payload"] == foreign(framing)


def test_a_truncated_datum_of_another_writer_is_undecodable() -> None:
    feed = replace(FEEDS["bids"], confluent_schemas=((SCHEMA_ID, FOREIGN_SCHEMA),))
    whole = foreign("confluent")

    outcome = outcome_of(feed, *(whole[:length] for length in range(1, len(whole))))

    assert set(outcome.rejects["reason"]) == {"undecodable"}
    assert outcome.rejects.height == len(whole) - 1


#: Field types of a writer's schema.
TYPES: dict[str, Any] = {
    "decimal": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
    "long decimal": {"type": "bytes", "logicalType": "decimal", "precision": 400, "scale": 300},
    "fixed decimal": {"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 10},
    "date": {"type": "int", "logicalType": "date"},
    "milliseconds": {"type": "long", "logicalType": "timestamp-millis"},
    "microseconds": {"type": "long", "logicalType": "timestamp-micros"},
    "local": {"type": "long", "logicalType": "local-timestamp-micros"},
    "time": {"type": "long", "logicalType": "time-micros"},
    "uuid": {"type": "string", "logicalType": "uuid"},
    "enum": {"type": "enum", "name": "E", "symbols": ["A", "B"]},
    "map": {"type": "map", "values": ["null", "bytes", "double", "long"]},
    "array": {"type": "array", "items": "double"},
    "recursive": {"type": "record", "name": "R", "fields": [{"name": "next", "type": ["null", "R"]}]},
    **{name: name for name in ("bytes", "double", "float", "long", "int", "string", "boolean", "null")},
}
LONGS = st.sampled_from([0, 1, -1, 2**31, 253_402_300_800_000, -(2**63), 2**63 - 1]) | st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=examples(300))
@given(
    field=st.sampled_from(["user_id", "amount", "timestamp", "targeting", "website", "other"]),
    kind=st.sampled_from(sorted(TYPES)),
    body=st.binary(max_size=40)
    | st.binary(max_size=40).map(lambda text: avro_value("bytes", text))
    | LONGS.map(lambda number: avro_value("long", number))
    | st.floats().map(lambda number: avro_value("double", number)),
)
def test_any_datum_of_another_writer_does_not_stop_the_batch(field: str, kind: str, body: bytes) -> None:
    schema = {"type": "record", "name": "Bid", "fields": [{"name": field, "type": TYPES[kind]}]}
    feed = replace(FEEDS["bids"], confluent_schemas=((SCHEMA_ID, schema),))
    header = CONFLUENT_MARKER + SCHEMA_ID.to_bytes(4, "big")

    outcome = outcome_of(feed, header + body, message("bids"))

    assert (outcome.events.height, outcome.rejects["offset"].to_list()) == (1, [0])


def avro_value(kind: str, value: Any) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, kind, value)
    return body.getvalue()


@pytest.mark.parametrize("depth", [100, 400, 1000, 100_000])
def test_a_datum_of_a_recursive_schema_too_deep_for_the_stack_is_rejected(depth: int) -> None:
    schema = {"type": "record", "name": "Bid", "fields": [{"name": "other", "type": TYPES["recursive"]}]}
    feed = replace(FEEDS["bids"], confluent_schemas=((SCHEMA_ID, schema),))
    header = CONFLUENT_MARKER + SCHEMA_ID.to_bytes(4, "big")

    outcome = outcome_of(feed, header + b"\x02" * depth + b"\x00", message("bids"))

    assert (outcome.events.height, outcome.rejects["offset"].to_list()) == (1, [0])


def test_openrtb_fields_are_read_as_in_the_standard() -> None:
    request = {
        "id": "auction-1", "timestamp": "2026-01-05T10:00:00Z", "cur": ["USD"],
        "imp": [{"id": "1", "bidfloor": 0.5, "bidfloorcur": "EUR"}],
        "site": {"page": "https://a.example.com/p", "domain": "example.com", "cat": ["IAB1"]},
        "device": {"os": "iOS", "geo": {"country": "DEU"}}, "user": {"id": "u9", "gender": "F"},
    }  # fmt: skip

    event = event_of("bids", json.dumps(request).encode())

    assert event["user_id"] == "u9"
    assert (event["auction_id"], event["amount"], event["currency"]) == ("auction-1", 0.5, "EUR")
    assert (event["website"], event["domain"]) == ("https://a.example.com/p", "example.com")
    assert (event["country"], event["device"]) == ("DEU", "iOS")
    assert json.loads(event["targeting"]) == {"categories": ["IAB1"], "gender": "F"}


# -- any bytes ---------------------------------------------------------------------------------------------------


@settings(max_examples=examples(100))
@given(feed=st.sampled_from(sorted(FEEDS)), payloads=st.lists(st.binary(max_size=60), max_size=8))
def test_every_message_is_either_decoded_or_rejected(feed: str, payloads: list[bytes]) -> None:
    frame, rejected = decode(payloads, FEEDS[feed])

    assert sorted([*frame["row"], *rejected["row"]]) == list(range(len(payloads)))
    assert frame.columns == ["row", *(f.name for f in FEEDS[feed].fields)]
    assert {frame.schema[f.name] for f in FEEDS[feed].fields} == {pl.String}
