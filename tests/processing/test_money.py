"""Money is decimal from every wire format to the event: the digits as sent, rounded half to even at 12 places."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.codecs.avro_framing import CONFLUENT_MARKER, MARKER, fingerprint
from advertisex.feeds import FEEDS, Feed
from advertisex.feeds.rules import MAX_AMOUNT
from advertisex.ingestion.avro.reader import AvroReader
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.stream import Stream
from tests.budget import examples
from tests.processing.messages import GOOD, avro_message, event_of, message, outcome_of, written

_EXACT = Context(prec=5000, Emax=MAX_EMAX, Emin=MIN_EMIN)


def rounded(text: str) -> Decimal:
    """The amount that a text means: decimal arithmetic, which is not used by the code under test."""
    return Decimal(text, _EXACT).quantize(Decimal("1e-12"), ROUND_HALF_EVEN, _EXACT)


def number(whole: str, fraction: str, exponent: str) -> str:
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "") + exponent


DIGITS = st.text("0123456789", max_size=25) | st.text("059", max_size=16)
EXPONENTS = st.just("") | st.builds("{}{}".format, st.sampled_from(["e", "E", "e+", "e-", "E-"]), st.integers(0, 30))
#: Texts of amounts that are JSON numbers too, in any notation and with any number of digits.
AMOUNTS = st.builds(number, DIGITS, DIGITS, EXPONENTS).filter(lambda text: Decimal(text) <= MAX_AMOUNT)


def ingested(feed: str, record: dict[str, Any] | bytes, mapping: FieldMapping = FieldMapping()) -> bytes:
    """A record as ingestion sends it: the row of a CSV or Avro file, or a JSON object."""
    return Encoder(FEEDS[feed], mapping).message(record)


def row(feed: str, **cells: Any) -> dict[str, Any]:
    return {name: str(value) for name, value in GOOD[feed].items()} | cells


def openrtb(amount: str) -> bytes:
    imp = f'"imp": [{{"bidfloor": {amount}}}]'
    return f'{{"id": "a1", "timestamp": "2026-01-05T10:00:00Z", {imp}, "user": {{"id": "u1"}}}}'.encode()


#: How an amount arrives: (feed, field, the message for the text of the amount).
WIRES: dict[str, tuple[str, str, Callable[[str], bytes]]] = {
    "JSON number": ("clicks", "value", lambda text: written("clicks", value=text)),
    "JSON text": ("clicks", "value", lambda text: message("clicks", value=text)),
    "JSON number, cost": ("impressions", "cost", lambda text: written("impressions", cost=text)),
    "JSON number, mapped": (
        "clicks", "value",
        lambda text: ingested("clicks", written("clicks", revenue=text), FieldMapping({"revenue": "value"})),
    ),
    "JSON number, mapped from a nested record": (
        "clicks", "value",
        lambda text: ingested("clicks", written("clicks", a=f'{{"b": {text}}}'), FieldMapping({"a.b": "value"})),
    ),
    "constant": (
        "clicks", "value", lambda text: ingested("clicks", message("clicks"), FieldMapping({}, {"value": text})),
    ),
    "constant in a bid": (
        "bids", "amount", lambda text: ingested("bids", row("bids"), FieldMapping({}, {"amount": text})),
    ),
    "CSV cell": ("clicks", "value", lambda text: ingested("clicks", row("clicks", value=text))),
    "CSV cell, bid": ("bids", "amount", lambda text: ingested("bids", row("bids", amount=text))),
    "CSV cell, price": ("bids", "price_paid", lambda text: ingested("bids", row("bids", price_paid=text))),
    "JSON bid": ("bids", "amount", lambda text: ingested("bids", written("bids", amount=text))),
    "nested JSON bid": (
        "bids", "amount", lambda text: written("bids", amount="null", auction=f'{{"bid_amount": {text}}}'),
    ),
    "OpenRTB": ("bids", "amount", openrtb),
    "Avro decimal": ("bids", "amount", lambda text: ingested("bids", row("bids", amount=Decimal(text)))),
    "Avro decimal, click": ("clicks", "value", lambda text: ingested("clicks", row("clicks", value=Decimal(text)))),
}  # fmt: skip


@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=examples(60))
@given(text=AMOUNTS)
def test_an_amount_is_read_by_its_digits(wire: str, text: str) -> None:
    feed, field, message_of = WIRES[wire]

    amount = event_of(feed, message_of(text))[field]

    assert amount == rounded(text)
    assert -amount.as_tuple().exponent <= 12


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8977679486.31", "8977679486.31"),
        ("999999999999.99", "999999999999.99"),
        ("1000000000000000000", "1e18"),
        ("999999999999999999.999999999999", "999999999999999999.999999999999"),
        ("0.0000004", "0.0000004"),
        ("0.0000000000005", "0"),
        ("0.0000000000015", "0.000000000002"),
        ("0.00000000000050000000000000000000000000000000000001", "0.000000000001"),
        ("1e-400", "0"),
        ("0e99999", "0"),
        ("123456789012345678e-18", "0.123456789012"),
    ],
)
def test_given_amounts(wire: str, text: str, amount: str) -> None:
    feed, field, message_of = WIRES[wire]

    assert event_of(feed, message_of(text))[field] == Decimal(amount)


@settings(max_examples=examples(100))
@given(text=AMOUNTS)
def test_every_wire_gives_the_same_event(text: str) -> None:
    clicks = [event_of(feed, message_of(text)) for feed, field, message_of in WIRES.values() if field == "value"]

    assert len({event["event_id"] for event in clicks}) == 1


def test_minus_zero_is_zero_in_every_wire() -> None:
    for feed, field, message_of in WIRES.values():
        for text in ("-0", "-0.0", "-0e5"):
            assert str(event_of(feed, message_of(text))[field]) == "0E-12"


@pytest.mark.parametrize("text", ["Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_no_amount(text: str) -> None:
    assert outcome_of("clicks", written("clicks", value=text)).rejects["reason"].to_list() == ["undecodable"]
    for feed, field in (("clicks", "value"), ("bids", "amount")):
        payload = ingested(feed, row(feed, **{field: float(text)}))
        assert outcome_of(feed, payload).rejects["reason"].to_list() == ["bad_amount"]


@pytest.mark.parametrize(("feed", "field"), [("clicks", "value"), ("bids", "amount")])
def test_a_number_that_is_nan_is_a_missing_amount(feed: str, field: str) -> None:
    assert event_of(feed, ingested(feed, row(feed, **{field: float("nan")})))[field] is None


# -- Avro ----------------------------------------------------------------------------------------------------------


def schema_of(kind: Any, field: str = "bid_amount") -> dict[str, Any]:
    fields = [{"name": name, "type": "string"} for name in ("user_id", "timestamp")]
    return {"type": "record", "name": "R", "fields": [*fields, {"name": field, "type": kind}]}


def datum(schema: Any, **fields: Any) -> bytes:
    body = BytesIO()
    record = {"user_id": "u1", "timestamp": "2026-01-05T10:00:00Z"} | fields
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
    return body.getvalue()


def foreign_bid(schema: Any, body: bytes, header: str = "confluent") -> dict[str, Any]:
    """The bid of a message of another writer."""
    feed: Feed = replace(FEEDS["bids"], confluent_schemas=((7, schema),))
    headers = {"confluent": CONFLUENT_MARKER + (7).to_bytes(4, "big"), "single object": MARKER + fingerprint(schema)}
    return event_of(feed, headers[header] + body)


def from_a_file(schema: Any, **fields: Any) -> dict[str, Any]:
    """The click of a container file with one record."""
    body = BytesIO()
    record = {"user_id": "u1", "timestamp": "2026-01-05T10:00:00Z", "campaign": "k1", "conversion": "click"} | fields
    whole = schema | {
        "fields": [*schema["fields"], *({"name": n, "type": "string"} for n in ("campaign", "conversion"))]
    }
    fastavro.writer(body, fastavro.parse_schema(whole), [record])
    body.seek(0)
    ((record,),) = (chunk.records for chunk in AvroReader(Stream(body, "x.avro")).chunks())
    return event_of("clicks", ingested("clicks", record))


DOUBLES = st.floats(0, MAX_AMOUNT) | st.sampled_from([0.1, 1e-7, 5e-324, 1e17, 8977679486.31, 999999999999.99])


@settings(max_examples=examples(200))
@given(double=DOUBLES)
def test_a_double_is_read_by_its_shortest_text(double: float) -> None:
    amount = rounded(repr(double))

    assert event_of("bids", avro_message(amount=double))["amount"] == amount
    assert event_of("bids", ingested("bids", row("bids", amount=double)))["amount"] == amount
    schema = schema_of(["null", "double"])
    assert foreign_bid(schema, datum(schema, bid_amount=double))["amount"] == amount
    assert from_a_file(schema_of("double", "value"), value=double)["value"] == amount


@settings(max_examples=examples(200))
@given(single=st.floats(0, 2**59, width=32) | st.sampled_from([0.1, 8977.31, 1e17]).map(lambda f: float(np.float32(f))))
def test_a_float_of_32_bits_is_read_by_its_shortest_text(single: float) -> None:
    amount = rounded(str(np.float32(single)))

    schema = schema_of("float")
    assert foreign_bid(schema, datum(schema, bid_amount=single), "single object")["amount"] == amount
    assert from_a_file(schema_of(["null", "float"], "value"), value=single)["value"] == amount


def test_a_float_is_not_widened() -> None:
    assert from_a_file(schema_of("float", "value"), value=0.1)["value"] == Decimal("0.1")


@settings(max_examples=examples(100))
@given(units=st.integers(0, 10**30), scale=st.integers(12, 30), fixed=st.booleans())
def test_an_avro_decimal_is_read_with_all_its_digits(units: int, scale: int, fixed: bool) -> None:
    """More digits than the precision of the schema are not rounded to it."""
    kind = {"type": "bytes", "logicalType": "decimal", "precision": max(scale, 4), "scale": scale}
    body = units.to_bytes(16, "big")
    if fixed:
        kind |= {"type": "fixed", "name": "D", "size": 16}
    schema = schema_of(kind)
    plain = schema_of({"type": "fixed", "name": "D", "size": 16} if fixed else "bytes")

    assert foreign_bid(schema, datum(plain, bid_amount=body))["amount"] == rounded(f"{units}e-{scale}")


def test_a_named_decimal_is_exact_where_it_is_used_again() -> None:
    kind = {"type": "fixed", "name": "Money", "size": 8, "logicalType": "decimal", "precision": 4, "scale": 2}
    schema = schema_of(kind, "floor") | {}
    schema["fields"].append({"name": "bid_amount", "type": ["null", "Money"]})
    body = datum(schema, floor=Decimal("1.00"), bid_amount=None)[:-1] + b"\x02" + (123456789).to_bytes(8, "big")

    assert foreign_bid(schema, body)["amount"] == Decimal("1234567.89")


def test_a_giant_decimal_costs_one_message() -> None:
    """Its conversion would take minutes."""
    schema = schema_of({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2})
    feed = replace(FEEDS["bids"], confluent_schemas=((7, schema),))
    giant = datum(schema_of("bytes"), bid_amount=b"\x7f" * 1_000_000)

    outcome = outcome_of(feed, CONFLUENT_MARKER + (7).to_bytes(4, "big") + giant, message("bids"))

    assert outcome.events["offset"].to_list() == [1]
    assert outcome.rejects["reason"].to_list() == ["undecodable"]


# -- what is not money -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1.50", "1e400", "1e99999999999999999999", "-0.0", "0.1000000000000000000001"])
def test_a_number_elsewhere_in_a_bid_keeps_its_digits(number: str) -> None:
    bid = written("bids", targeting=f'{{"x": {number}}}', other=number)

    assert event_of("bids", bid)["targeting"] == f'{{"x":{number}}}'


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("number", ["1.50", "1e400", "-1E+99999999999999999999"])
def test_a_decimal_number_is_no_id_and_is_shown_as_sent(feed: str, number: str) -> None:
    reject = outcome_of(feed, written(feed, user_id=number), message(feed)).rejects.row(0, named=True)

    assert (reject["offset"], reject["reason"]) == (0, "wrong_type")
    assert reject["detail"].endswith(f"got {number}")


def test_an_amount_that_is_not_the_text_of_a_double_is_sent_as_json() -> None:
    record = row("bids", amount="0.1000000000000000055511151231257827")

    assert json.loads(ingested("bids", record))["amount"] == record["amount"]
