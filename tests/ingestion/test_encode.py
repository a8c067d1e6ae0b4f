import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.codecs.avro_framing import FINGERPRINT, HEADER, frame
from advertisex.feeds import FEEDS
from advertisex.feeds.bids import AVRO_SCHEMA
from advertisex.feeds.rules import with_own_fields
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.mapping import FieldMapping

BIDS = FEEDS["bids"]
SCHEMA = fastavro.parse_schema(AVRO_SCHEMA)
AT = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def unframed(message: bytes) -> bytes | None:
    return message[len(HEADER) :] if message.startswith(HEADER) else None


def datum(record: dict[str, Any], mapping: FieldMapping = FieldMapping()) -> dict[str, Any]:
    message = Encoder(BIDS, mapping).message(record)
    body = unframed(message)
    assert body is not None, message
    read = fastavro.schemaless_reader(BytesIO(body), SCHEMA)
    return read["user_info"] | read["auction"] | {"targeting": read["targeting"]}


def crc_64_avro(data: bytes) -> int:
    """The algorithm of the Avro specification."""
    empty = 0xC15D213AA4D7A795
    value = empty
    for byte in data:
        entry = (value ^ byte) & 0xFF
        for _ in range(8):
            entry = (entry >> 1) ^ (empty & -(entry & 1))
        value = (value >> 8) ^ entry
    return value


def test_the_fingerprint_follows_the_specification() -> None:
    canonical = fastavro.schema.to_parsing_canonical_form(AVRO_SCHEMA).encode()
    assert crc_64_avro(canonical).to_bytes(8, "little") == FINGERPRINT
    assert HEADER == b"\xc3\x01" + FINGERPRINT
    assert frame(b"x") == HEADER + b"x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "nan"),
        (-math.inf, "-inf"),
        (b"text", "text"),
        (b"\xff", "/w=="),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+3"), "1000"),
        (AT, "2024-01-02T03:04:05.000006Z"),
        (AT.astimezone(timezone(timedelta(hours=2))), "2024-01-02T03:04:05.000006Z"),
        (AT.replace(tzinfo=None), "2024-01-02T03:04:05.000006"),
        (date(2024, 1, 2), "2024-01-02"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("\ud800", "?"),
        ({"a": [math.nan, b"x"]}, {"a": ["nan", "x"]}),
        (2**70, 2**70),
        (None, None),
    ],
)
def test_json_of_any_type(value: Any, expected: Any) -> None:
    assert json.loads(Encoder(FEEDS["clicks"]).message({"user_id": "u", "value": value})) == {
        "user_id": "u",
        "value": expected,
    }


@given(st.dictionaries(st.text(), st.text()))
def test_text_round_trips(record: dict[str, str]) -> None:
    assert json.loads(Encoder(FEEDS["clicks"]).message(record)) == record


def test_records_of_our_own_schema_are_unchanged() -> None:
    record = {
        "user_info": {"user_id": "u", "country": "DE", "device": None},
        "auction": {"auction_id": "a", "timestamp": AT, "creative_id": "c", "amount": 1.5, "currency": "EUR",
                    "website": "w"},
        "targeting": {"age": "20-30", "country": "FR"},
    }  # fmt: skip
    assert datum(record) == {**record["user_info"], **record["auction"], "targeting": record["targeting"]}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"user_id": 7}, {"user_id": "7"}),
        ({"user_id": b"u"}, {"user_id": "u"}),
        ({"user_id": UUID(int=1)}, {"user_id": str(UUID(int=1))}),
        ({"timestamp": 1_700_000_000}, {"timestamp": "1700000000"}),
        ({"timestamp": 1_700_000_000.25}, {"timestamp": "1700000000.25"}),
        ({"timestamp": "soon"}, {"timestamp": "soon"}),
        ({"timestamp": AT.replace(tzinfo=None)}, {"timestamp": "2024-01-02T03:04:05.000006"}),
        ({"timestamp": None, "event_timestamp": AT}, {"timestamp": AT}),
        ({"ad_creative_id": "c", "bid_amount": Decimal("1.5")}, {"creative_id": "c", "amount": 1.5}),
        ({"amount": "2.5"}, {"amount": 2.5}),
        ({"amount": ""}, {"amount": None}),
        ({"amount": -1}, {"amount": -1.0}),
        ({"amount": math.inf}, {"amount": math.inf}),
        ({"bid": {"deep": {"creative": "c"}}}, {"creative_id": "c"}),
        ({"targeting": {"country": "FR"}}, {"country": None, "targeting": {"country": "FR"}}),
        ({"targeting": {"n": 1, "l": [1.5, None]}}, {"targeting": {"n": "1", "l": "[1.5,null]"}}),
        ({"targeting": '{"a": "b"}'}, {"targeting": {"a": "b"}}),
        ({"targeting": ""}, {"targeting": {}}),
        ({"segment": {"targeting": {"a": "b"}}}, {"targeting": {"a": "b"}}),
    ],
)
def test_records_of_any_shape_are_encoded_in_our_schema(record: dict[str, Any], expected: dict[str, Any]) -> None:
    seen = datum({"user_id": "u", "timestamp": AT} | record)
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize(
    "broken",
    [
        {"user_id": None},
        {"user_id": ""},
        {"timestamp": None},
        {"timestamp": ""},
        {"user_id": True},
        {"user_id": 1.5},
        {"user_id": "\ud800"},
        {"amount": "much"},
        {"amount": True},
        {"amount": 10**400},
        {"creative_id": {"id": "x"}},
        {"targeting": [1]},
        {"targeting": "text"},
    ],
)
def test_records_that_do_not_fit_are_sent_as_json(broken: dict[str, Any]) -> None:
    record = {"user_id": "u", "timestamp": "2024-01-01", "more": 1} | broken
    expected = json.loads(json.dumps(record).replace("\\ud800", "?"))
    assert json.loads(Encoder(BIDS).message(record)) == expected


def test_a_mapping_reaches_into_records() -> None:
    record = {"who": {"id": 5}, "at": "2024-01-01", "timestamp": AT}
    seen = datum(record, FieldMapping({"who.id": "user_id"}, {"currency": "EUR"}))
    assert (seen["user_id"], seen["currency"]) == ("5", "EUR")


def test_nan_is_sent_as_avro_and_left_to_validation() -> None:
    assert math.isnan(datum({"user_id": "u", "timestamp": "1", "amount": math.nan})["amount"])


def test_json_for_the_bids_feed_stays_json() -> None:
    assert Encoder(BIDS).message(b'{"id": "1"}') == b'{"id": "1"}'


def test_a_field_that_the_settings_added_is_not_lost() -> None:
    feed = with_own_fields(BIDS, {"request_id": "text"})
    record = {"user_id": "u", "timestamp": "1", "request_id": "r"}
    assert json.loads(Encoder(feed).message(record)) == record
    assert unframed(Encoder(feed).message({"user_id": "u", "timestamp": "1"})) is not None
