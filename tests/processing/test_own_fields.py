"""Own fields: `feeds.FEED.extra` and `feeds.FEED.identity`, in every wire format."""

import json
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import pytest

from advertisex.codecs.avro_framing import CONFLUENT_MARKER
from advertisex.codecs.json_encode import json_message
from advertisex.feeds import FEEDS, Feed
from advertisex.feeds.rules import with_own_fields
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.mapping import FieldMapping
from tests.processing.messages import GOOD, event_of, message, outcome_of, reject_of

FIELDS = {"region": "text", "viewable": "flag", "depth": "count", "floor": "amount"}
OWN: dict[str, Feed] = {name: with_own_fields(feed, FIELDS) for name, feed in FEEDS.items()}  # type: ignore[arg-type]
GIVEN = {"region": " north ", "viewable": True, "depth": 3, "floor": 0.1}
READ = ("north", True, 3, Decimal("0.1"))


def own_values(feed: str, payload: bytes) -> tuple[Any, ...]:
    event = event_of(OWN[feed], payload)
    return tuple(event[name] for name in FIELDS)


@pytest.mark.parametrize("feed", FEEDS)
def test_own_fields_are_read_from_json_and_from_csv(feed: str) -> None:
    row = {name: str(value) for name, value in (GOOD[feed] | GIVEN).items()}

    assert own_values(feed, message(feed, **GIVEN)) == READ
    assert own_values(feed, Encoder(OWN[feed]).message(row)) == READ
    assert own_values(feed, message(feed)) == (None,) * 4


@pytest.mark.parametrize("feed", FEEDS)
def test_columns_are_mapped_to_own_fields(feed: str) -> None:
    mapping = FieldMapping({"geo.area": "region", "seen": "viewable"}, {"depth": "3", "floor": "0.10"})
    encoder = Encoder(OWN[feed], mapping)

    as_json = encoder.message(message(feed, geo={"area": "north"}, seen=True))
    as_row = encoder.message(GOOD[feed] | {"geo.area": "north", "seen": "TRUE"})

    assert own_values(feed, as_json) == own_values(feed, as_row) == READ
    assert encoder.unmatched == ()


@pytest.mark.parametrize("feed", FEEDS)
def test_own_fields_are_read_from_avro_files(feed: str) -> None:
    record = GOOD[feed] | {"viewable": False, "floor": Decimal("0.10"), "depth": 2, "region": "n"}

    assert own_values(feed, Encoder(OWN[feed]).message(record)) == ("n", False, 2, Decimal("0.1"))


def test_own_fields_are_read_from_nested_bids_and_foreign_avro_messages() -> None:
    nested = message("bids", user={"region": "north", "extra": {"viewable": True, "depth": 3, "floor": 0.10}})
    assert own_values("bids", nested) == READ

    types = {"region": "string", "viewable": "boolean", "depth": "int", "floor": "float"}
    parts = [{"name": name, "type": kind} for name, kind in types.items()]
    placement = {"type": "record", "name": "Placement", "fields": parts}
    texts = [{"name": name, "type": "string"} for name in ("user_id", "timestamp")]
    schema = {"type": "record", "name": "Bid", "fields": [*texts, {"name": "placement", "type": placement}]}
    body = BytesIO()
    record = {name: GOOD["bids"][name] for name in ("user_id", "timestamp")} | {"placement": GIVEN}
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
    feed = replace(OWN["bids"], confluent_schemas=((1, schema),))
    event = event_of(feed, CONFLUENT_MARKER + (1).to_bytes(4, "big") + body.getvalue())
    assert tuple(event[name] for name in FIELDS) == READ


def test_own_fields_of_an_openrtb_request_are_at_its_top_level() -> None:
    request = {"id": "a", "imp": [{"bidfloor": 1}], "user": {"id": "u1", "region": "elsewhere"}, **GIVEN}
    assert own_values("bids", json.dumps(request | {"timestamp": "2026-01-05T10:00:00Z"}).encode()) == READ


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("viewable", "maybe", "wrong_type"),
        ("depth", "1.5", "wrong_type"),
        ("depth", -1, "negative_count"),
        ("depth", 2**40, "count_too_large"),
        ("floor", "low", "wrong_type"),
        ("floor", -0.01, "bad_amount"),
        ("floor", "1e19", "amount_too_large"),
        ("region", ["north"], "wrong_type"),
    ],
)
@pytest.mark.parametrize("feed", ["impressions", "clicks"])
def test_a_bad_value_of_an_own_field_is_rejected(feed: str, field: str, value: Any, reason: str) -> None:
    reject = reject_of(OWN[feed], message(feed, **{field: value}))

    assert reject["reason"] == reason
    assert reject["detail"].startswith(f"{field}: ")


# -- identity ------------------------------------------------------------------------------------------------------


def same_event(feed: Feed, one: bytes, other: bytes) -> bool:
    return outcome_of(feed, one, other).events.height == 1


@pytest.mark.parametrize("feed", FEEDS)
def test_the_identity_can_be_chosen_and_always_has_the_time(feed: str) -> None:
    name = "campaign_id" if feed == "clicks" else "creative_id"
    chosen = OWN[feed].identified_by(["region", name])

    assert set(chosen.identity) == {"region", name, "event_time"}
    first = message(feed, region="n", user_id="a")
    assert same_event(chosen, first, message(feed, region="n", user_id="b"))
    assert not same_event(chosen, first, message(feed, region="s", user_id="a"))
    assert not same_event(chosen, first, message(feed, region="n", **{name: "other"}))
    assert not same_event(chosen, first, message(feed, region="n", timestamp="2026-01-05T10:00:00.000001Z"))
    assert same_event(chosen, first, message(feed, region=" n", timestamp="2026-01-05T11:00:00+01:00"))


@pytest.mark.parametrize(
    ("field", "same", "other"),
    [("viewable", (True, "yes"), False), ("depth", (3, "3.0"), 4), ("floor", ("0.10", "1e-1"), 0.11)],
)
def test_own_fields_of_any_kind_identify_by_their_value(field: str, same: tuple[Any, Any], other: Any) -> None:
    feed = OWN["impressions"].identified_by([field])

    one, again = (message("impressions", **{field: value}) for value in same)
    assert same_event(feed, one, again)
    assert not same_event(feed, one, message("impressions", **{field: other}))


def test_an_event_without_any_field_of_its_identity_is_rejected() -> None:
    feed = OWN["clicks"].identified_by(["transaction_id", "region"])

    assert event_of(feed, message("clicks", region="n"))["region"] == "n"
    reject = reject_of(feed, message("clicks"))
    assert reject["reason"] == "missing_field"
    assert reject["detail"].startswith("transaction_id: must be given if region is missing")


def test_a_bid_with_own_fields_is_not_sent_in_our_schema_which_does_not_have_them() -> None:
    record = GOOD["bids"] | {"region": "n"}

    assert json.loads(Encoder(OWN["bids"]).message(record)) == json.loads(json_message(record))
    assert own_values("bids", Encoder(OWN["bids"]).message(record))[0] == "n"
