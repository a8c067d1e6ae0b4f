"""Repair of messages: the named fields change, and nothing else."""

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.codecs.avro_decode import bid_decoder
from advertisex.codecs.avro_framing import CONFLUENT_MARKER, HEADER
from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.numbers import NumberStyle
from advertisex.rejects.repair import Repairer
from tests.processing.messages import avro_message, event_of, message, outcome_of, written

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def read_again(feed: str, payload: bytes, **options: Any) -> bytes | None:
    decimal = options.pop("decimal", None)
    numbers = NumberStyle.of(decimal, None) if decimal else None
    return Repairer(FEEDS[feed], FieldMapping(**options.pop("mapping", {})), numbers, options.pop("encoding", None))(
        payload
    )


def repaired(feed: str, payload: bytes, **mapping: Any) -> bytes | None:
    return Repairer(FEEDS[feed], FieldMapping(**mapping))(payload)


@pytest.mark.parametrize("payload", [b"", b"no json", b"\xff\x00", b"[1]", message("clicks")])
def test_an_empty_repair_leaves_a_message_byte_for_byte_unchanged(payload: bytes) -> None:
    assert repaired("clicks", payload) == payload


@given(extra=st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), SCALARS, max_size=5))
def test_all_other_values_of_a_json_message_are_unchanged(extra: dict[str, Any]) -> None:
    given_ = extra | {"user_id": "null", "website": "a.com"}
    result = repaired("impressions", msgspec.json.encode(given_), constants={"user_id": "u1"})

    assert result is not None
    overruled = set(FEEDS["impressions"].field_named("user_id").aliases)  # type: ignore[union-attr]
    expected = {k: v for k, v in given_.items() if k not in overruled} | {"user_id": "u1"}
    assert msgspec.json.decode(result) == msgspec.json.decode(msgspec.json.encode(expected))


def test_other_values_keep_their_notation() -> None:
    payload = written("clicks", user_id='"null"', value="1.10", note='"\\u00e9"', big="1e400", nested='{"a": [1.0]}')

    result = repaired("clicks", payload, constants={"user_id": "u1"})

    assert result is not None
    assert all(part in result for part in (b"1.10", b'"\\u00e9"', b"1e400", b'{"a": [1.0]}'))
    assert json.loads(result, parse_float=str)["user_id"] == "u1"


@pytest.mark.parametrize("bad", [["x"], {"id": 1}, True, 1.5])
def test_a_constant_overrides_all_aliases_of_its_field(bad: Any) -> None:
    payload = message("impressions", creative_id=..., creative=bad)
    assert outcome_of("impressions", payload).rejects["reason"].to_list() == ["wrong_type"]

    result = repaired("impressions", payload, constants={"ad_creative_id": "cr-1"})

    assert result is not None
    assert event_of("impressions", result)["creative_id"] == "cr-1"


def test_a_column_can_be_renamed_to_a_field() -> None:
    payload = message("impressions", user_id=..., visitor="u7")
    result = repaired("impressions", payload, rename={"visitor": "user_id"})

    assert result is not None
    assert event_of("impressions", result)["user_id"] == "u7"


def test_timestamps_of_another_format_are_parsed() -> None:
    payload = message("clicks", timestamp="05/01/2026 09:30")
    result = repaired("clicks", payload, time_formats=("%d/%m/%Y %H:%M",))

    assert result is not None
    assert event_of("clicks", result)["event_time"].isoformat() == "2026-01-05T09:30:00"


@pytest.mark.parametrize("payload", [b"", b"{", b"[1]", b"7", b"\xff", b'{"a": "\xff"}', b"\xc3\x01"])
@pytest.mark.parametrize("feed", FEEDS)
def test_a_message_that_is_not_a_record_cannot_be_repaired(feed: str, payload: bytes) -> None:
    assert repaired(feed, payload, constants={"user_id": "u1"}) is None


def test_replacing_a_value_removes_its_invalid_utf8() -> None:
    payload = message("impressions").replace(b"/x", b"/\xff")
    assert outcome_of("impressions", payload).rejects.height == 1

    result = repaired("impressions", payload, constants={"website": "a.com"})

    assert result is not None
    assert event_of("impressions", result)["website"] == "a.com"


@given(user=TEXTS, country=TEXTS, micros=st.integers(-(2**63), 2**63 - 1), amount=st.floats(), website=TEXTS)
def test_all_other_values_of_an_avro_bid_are_unchanged(
    user: str, country: str, micros: int, amount: float, website: str
) -> None:
    payload = avro_message(user, micros, {"k": country}, amount=amount, website=website, creative_id=country)

    result = repaired("bids", payload, constants={"auction_id": "a9", "user_id": "u9"})

    assert result is not None
    before, after = (outcome_events(p, auction_id="a9", user_id="u9") for p in (payload, result))
    assert msgspec.json.encode(after) == msgspec.json.encode(before)
    if -62_135_596_800_000_000 <= micros < 253_402_300_800_000_000:  # the years 1 to 9999
        assert result.startswith(HEADER)
        assert avro_message("u9", micros, {"k": country}, amount=amount, website=website, creative_id=country,
                            auction_id="a9") == result  # fmt: skip


def outcome_events(payload: bytes, **changes: str) -> list[Any]:
    """The values that processing reads from a bid, with changes."""
    decoder = bid_decoder(FEEDS["bids"])
    found = msgspec.structs.asdict(decoder.decode(payload)) | changes
    return [str(found[name]) for name in sorted(found)]


def test_an_avro_bid_that_does_not_fit_our_schema_is_repaired_as_json() -> None:
    payload = avro_message("", "2026-01-05T10:00:00Z")
    result = repaired("bids", payload, constants={"creative_id": "c7"})

    assert result is not None
    assert result.startswith(b"{")
    assert outcome_of("bids", result).rejects["reason"].to_list() == ["missing_field"]
    assert event_of("bids", repaired("bids", result, constants={"user_id": "u1"}) or b"")["creative_id"] == "c7"


def test_a_nested_value_can_be_renamed_to_a_field_in_json_and_avro() -> None:
    nested = message("bids", user_id=..., who={"visitor": "u7"})
    assert event_of("bids", repaired("bids", nested, rename={"who.visitor": "user_id"}) or b"")["user_id"] == "u7"
    avro = avro_message("null")
    assert event_of("bids", repaired("bids", avro, rename={"user_info.country": "user_id"}) or b"")["user_id"] == "DE"


def test_messages_of_another_schema_are_repaired() -> None:
    schema = {
        "type": "record", "name": "Other", "fields": [
            {"name": "user", "type": {"name": "U", "type": "record", "fields": [
                {"name": "user_id", "type": "string"},
            ]}},
            {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "auction_id", "type": "string"},
        ],
    }  # fmt: skip
    feed = replace(FEEDS["bids"], confluent_schemas=((7, schema),))
    body = BytesIO()
    record = {"user": {"user_id": "null"}, "timestamp": 1_767_603_600_000, "auction_id": "a1"}
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)

    result = Repairer(feed, FieldMapping(constants={"user_id": "u1"}))(CONFLUENT_MARKER + b"\0\0\0\7" + body.getvalue())

    assert result is not None
    event = event_of(feed, result)
    assert (event["user_id"], event["auction_id"]) == ("u1", "a1")
    assert event["event_time"].isoformat() == "2026-01-05T09:00:00"


def test_an_unknown_field_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="clicks has no field 'creative_id'"):
        Repairer(FEEDS["clicks"], FieldMapping(constants={"creative_id": "c1"}))


@pytest.mark.parametrize("value", ["12,50", "1.234,5", "7", "free", "1.5"])
def test_numbers_are_read_as_ingestion_would_have_read_them(value: str) -> None:
    payload, german = message("clicks", value=value, currency="EUR"), NumberStyle.of(",", None)
    result = read_again("clicks", payload, decimal=",")
    assert result == Encoder(FEEDS["clicks"], numbers=german).message(payload)
    reasons = {"free": ["not_a_number"], "1.5": ["ambiguous_number"]}
    assert result is not None
    assert outcome_of("clicks", result).rejects.height == len(reasons.get(value, []))


def test_a_number_in_a_renamed_column_is_read_too() -> None:
    payload = message("clicks", value=..., preis="12,50", currency="EUR")
    result = read_again("clicks", payload, mapping={"rename": {"preis": "value"}}, decimal=",")
    assert result is not None
    assert str(event_of("clicks", result)["value"]).rstrip("0") == "12.5"


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "shift_jis"])
def test_bytes_that_were_never_decoded_are_read_in_the_given_encoding(encoding: str, *, wrapped: bool) -> None:
    text = json.dumps(
        json.loads(message("impressions", placement="\u30ab" if encoding == "shift_jis" else "\u00e9")),
        ensure_ascii=False,
    )
    payload = text.encode(encoding)
    if wrapped:
        payload = wrap(Unreadable("wrong_encoding", "damaged", payload))

    result = read_again("impressions", payload, encoding=encoding)

    assert result == text.encode()
    assert outcome_of("impressions", result or b"").rejects.height == 0


@pytest.mark.parametrize(
    "payload",
    [
        message("impressions"),
        json.dumps({"user_id": "\u00e9"}, ensure_ascii=False).encode(),  # decoded before: its bytes are gone
    ],
)
def test_an_encoding_does_not_apply_to_text_that_is_decoded(payload: bytes) -> None:
    repairer = Repairer(FEEDS["impressions"], FieldMapping(), encoding="utf-7")
    assert repairer(payload) == payload
    assert repairer.applied == {"--encoding": 0}


def test_an_encoding_does_not_apply_to_avro() -> None:
    payload = avro_message("u1")
    assert read_again("bids", payload, encoding="cp1252") == payload


@pytest.mark.parametrize(
    ("payload", "encoding"),
    [(b'{"a": "\xff"}', "ascii"), (b"\xe9,\xe9", "cp1252"), ('{"a": "\u00e9"}'.encode("utf-16-be"), "utf-16")],
)
def test_bytes_that_are_not_a_record_in_the_encoding_cannot_be_repaired(payload: bytes, encoding: str) -> None:
    assert read_again("clicks", payload, encoding=encoding) is None


def test_options_of_reading_say_to_what_they_do_not_apply() -> None:
    times, numbers = FieldMapping(time_formats=("%d/%m/%Y",)), NumberStyle.of(",", None)
    repairer = Repairer(FEEDS["clicks"], times, numbers, "cp1252")
    for payload in (
        message("clicks", timestamp="05/01/2026", value="1.234"),
        message("clicks", value="12,5"),
        message("clicks", value=12.5),
        b'{"app": "\xe9"}',
    ):
        assert repairer(payload) is not None

    assert repairer.applied == {"--encoding": 1, "--time-format": 1, "--decimal": 2}
    assert repairer.two_readings == 1  # 1.234, which is now 1234
