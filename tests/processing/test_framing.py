"""What may surround the JSON of a message: a Confluent header and a byte order mark. Other encodings are rejected."""

import codecs
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from advertisex.feeds import FEEDS
from advertisex.ingestion.mapping import FieldMapping
from advertisex.model import TOMBSTONE
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.suppression import erased_user, suppression_of
from advertisex.rejects.explained import explain
from advertisex.rejects.pretty import one_line
from advertisex.rejects.repair import Repairer
from tests.budget import examples
from tests.processing.messages import avro_datum, batch_of, event_of, message, outcome_of, reject_of


def framed(body: bytes, number: int = 7) -> bytes:
    return b"\x00" + number.to_bytes(4, "big") + body


@pytest.mark.parametrize("feed", FEEDS)
@given(
    number=st.integers(0, 2**32 - 1), bom=st.booleans(), space=st.sampled_from(["", " ", "\n\t"]), key=st.text("kü{")
)
@example(number=0x7B00, bom=False, space="", key="")  # the first bytes of a brace in UTF-32
@example(number=0x0A0A0A0A, bom=True, space="\n", key="ü")
@settings(max_examples=examples(15))
def test_json_is_read_whatever_surrounds_it(feed: str, number: int, bom: bool, space: str, key: str) -> None:
    plain = message(feed)[:-1] + f', "other{key}": 1}}'.encode()
    text = space.encode() + plain

    surrounded = (codecs.BOM_UTF8 if bom else b"") + text

    assert event_of(feed, surrounded) == event_of(feed, framed(surrounded, number)) == event_of(feed, plain)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_encodings_are_rejected_with_a_hint(feed: str, encoding: str) -> None:
    payload = message(feed).decode().encode(encoding)
    for received in (payload, framed(b"{" + payload)):
        assert reject_of(feed, received)["reason"] == "undecodable"

    reject = reject_of(feed, payload)

    assert reject["detail"].startswith(f"the text is in {encoding[:6].upper()}; write messages in UTF-8: ")
    assert reject["payload"] == payload


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("body", [b"", b"\x00\x0a\x02u1", avro_datum(), b"[1]", b"\x02\x04{", b"x"])
def test_anything_else_in_a_confluent_header_is_rejected_with_its_schema_id(feed: str, body: bytes) -> None:
    reject = reject_of(feed, framed(body, 100_012))

    assert reject["reason"] == "undecodable"
    assert "no JSON object follows the Confluent header with schema id 100012" in reject["detail"]
    assert reject["payload"] == framed(body, 100_012)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("payload", [codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\r\n", b" ", b"\n\t"])
def test_a_message_without_text_is_empty(feed: str, payload: bytes) -> None:
    reject = reject_of(feed, payload)

    assert (reject["reason"], reject["detail"], reject["payload"]) == (
        "empty_message",
        "the message has only white space or a byte order mark",
        payload,
    )


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("payload", [framed(b"")[:4], framed(codecs.BOM_UTF8), codecs.BOM_UTF8 * 2 + b"{}"])
def test_what_is_cut_off_is_undecodable(feed: str, payload: bytes) -> None:
    assert reject_of(feed, payload)["reason"] == "undecodable"


@pytest.mark.parametrize("feed", FEEDS)
def test_a_reject_is_kept_as_received_shown_as_json_and_repaired_to_json(feed: str) -> None:
    plain = message(feed, user_id=...)
    for payload in (framed(plain), codecs.BOM_UTF8 + plain, framed(codecs.BOM_UTF8 + plain, 0xC8)):
        reject = reject_of(feed, payload)

        assert (reject["reason"], reject["payload"]) == ("missing_field", payload)
        assert explain(reject, FEEDS[feed]).message.format == "json"
        assert one_line(payload, FEEDS[feed]) == plain.decode()
        assert Repairer(FEEDS[feed], FieldMapping())(payload) == payload
        repaired = Repairer(FEEDS[feed], FieldMapping(constants={"user_id": "u1"}))(payload)
        assert repaired is not None
        assert event_of(feed, repaired) == event_of(feed, message(feed))
        if feed != "bids":
            assert json.loads(repaired)["user_id"] == "u1"


@pytest.mark.parametrize("feed", FEEDS)
def test_messages_of_an_erased_user_are_suppressed_whatever_surrounds_them(feed: str) -> None:
    payloads = [framed(message(feed)), codecs.BOM_UTF8 + message(feed), framed(message(feed, timestamp="?")), TOMBSTONE]
    suppression = suppression_of([erased_user("u1", b"k" * 16)])

    outcome = process(batch_of(FEEDS[feed], payloads), FEEDS[feed], Policy(), suppression)

    assert outcome.suppressed["offset"].to_list() == [0, 1, 2, 3]


def test_plain_and_surrounded_messages_mix() -> None:
    payloads = [message("clicks", user_id="a"), framed(message("clicks", user_id="b")), b"", b"\x00", message("clicks")]

    outcome = outcome_of("clicks", *payloads)

    assert outcome.events["user_id"].to_list() == ["a", "b", "u1"]
    assert outcome.rejects["reason"].to_list() == ["empty_message", "undecodable"]
