"""Suppress stage: which messages belong to an erased user, and that nothing of them is kept."""

import json
from base64 import b64encode

import polars as pl
import pytest

from advertisex.feeds import FEEDS
from advertisex.model import SUPPRESSED_COLUMNS, TOMBSTONE, Outcome
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.suppression import (
    NOBODY,
    Erased,
    Suppression,
    erased_user,
    hash_of,
    suppression_in,
    suppression_of,
)
from tests.processing.messages import avro_message, batch_of, message

KEY = bytes(range(32))
LONG = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


def erased(*users: str) -> Suppression:
    return suppression_of([erased_user(user, KEY) for user in users])


def processed(feed: str, *payloads: bytes, users: Suppression) -> Outcome:
    return process(batch_of(FEEDS[feed], payloads), FEEDS[feed], Policy(), users)


def is_suppressed(payload: bytes, user: str, feed: str = "impressions") -> bool:
    outcome = processed(feed, payload, users=erased(user))
    kept = outcome.events.height + outcome.rejects.height
    assert kept + outcome.suppressed.height == 1
    return not kept


@pytest.mark.parametrize("changes", [{}, {"timestamp": "yesterday"}, {"website": ...}, {"creative_id": 7}])
def test_a_decoded_message_belongs_to_its_user_even_if_it_is_invalid(changes: dict[str, object]) -> None:
    assert is_suppressed(message("impressions", user_id="u1", **changes), "u1")
    assert not is_suppressed(message("impressions", user_id="u1", **changes), "u")


@pytest.mark.parametrize(
    ("given", "user"),
    [(7, "7"), ("7", "7"), ("-5", "-5"), ("é", "é"), ("a b", "a b"), (" u1 ", "u1"), ("\tu1\u00a0", "u1")],
)
def test_an_id_is_compared_as_decoded_text(given: object, user: str) -> None:
    assert is_suppressed(message("clicks", user_id=given), user, "clicks")


def test_an_id_in_another_field_of_a_decoded_message_does_not_count() -> None:
    assert not is_suppressed(message("impressions", website="https://u1.example.com/u1", user_id="u2"), "u1")
    assert not is_suppressed(message("impressions", creative_id="u1", user_id="u2", timestamp="yesterday"), "u1")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"user_id": "u1", "timest',
        b'{"user_id": "u1',
        b'{"user_id":u1}',
        b"u1",
        b"2026-01-05;u1;click",
        b"user=u1&site=a",
        b'{"user_id": "\xe9u1"}',
        b"[\"u1\"]",
        b'{"uzer_id": "u1", "website": "a.com"}',
        b'{"user_id": null, "id": "u1"}',
        b'{"user_id": ["u1"]}',
        b"\x00u1\x00",
        b"x" * 2**20 + b" u1",
    ],
)  # fmt: skip
def test_an_undecodable_message_belongs_to_a_user_if_it_contains_the_id_as_a_word(payload: bytes) -> None:
    assert is_suppressed(payload, "u1")
    assert not is_suppressed(payload, "u")
    assert not is_suppressed(payload, "1")


def test_a_word_of_an_undecodable_message_may_be_escaped_as_in_json() -> None:
    assert is_suppressed(json.dumps({"user_id": "émile", "timestamp": 1}).encode()[:-3], "émile")
    assert is_suppressed('{"user_id": "émile", "ti'.encode(), "émile")


@pytest.mark.parametrize("user", ["u1", LONG], ids=["short", "long"])
def test_an_undecodable_avro_message_belongs_to_a_user_if_it_contains_the_id_as_a_string(user: str) -> None:
    whole = avro_message(user)
    assert is_suppressed(whole, user, "bids")
    assert is_suppressed(avro_message(f" {user} "), user, "bids")
    for end in (-1, -5, 11 + len(user)):
        assert is_suppressed(whole[:end], user, "bids")
        assert not is_suppressed(whole[:end], user[:-1], "bids")


def test_only_the_position_and_event_id_of_a_suppressed_message_are_kept() -> None:
    good, bad = message("clicks", user_id="u1"), message("clicks", user_id="u1", timestamp="yesterday")
    known = processed("clicks", good, users=NOBODY).events

    outcome = processed("clicks", message("clicks", user_id="u2"), bad, b"u1", good, good, users=erased("u1"))

    assert outcome.suppressed.schema == SUPPRESSED_COLUMNS
    assert outcome.suppressed["offset"].to_list() == [1, 2, 3, 4]
    event = (known["event_id"][0], known["event_time"][0])
    assert outcome.suppressed.select("event_id", "event_time").rows() == [(None, None), (None, None), event, event]
    assert outcome.events["user_id"].to_list() == ["u2"]
    assert outcome.rejects.is_empty()
    assert (outcome.read, outcome.repeated.height, outcome.erasures) == (5, 0, 1)


def test_a_tombstone_is_suppressed_without_any_erased_users() -> None:
    outcome = processed("bids", TOMBSTONE, message("bids"), users=NOBODY)

    assert outcome.suppressed["offset"].to_list() == [0]
    assert outcome.rejects.is_empty()
    assert outcome.events.height == 1


def test_notes_with_two_keys_are_equivalent() -> None:
    two = suppression_of([erased_user("a", KEY), erased_user("b", KEY[::-1])])

    assert [two.matches(word) for word in (b"a", b"b", b"c")] == [True, True, False]
    assert two.erasures == 2
    assert hash_of(b"a", KEY) != hash_of(b"a", KEY[::-1])


def test_suppression_is_read_from_the_notes_of_a_store() -> None:
    note = b'{"key": "%s", "words": ["%s"], "runs": []}'
    suppression = suppression_in({"x": note % (b64encode(KEY), b64encode(hash_of(b"a", KEY)))})

    assert suppression == suppression_of([Erased(KEY, (hash_of(b"a", KEY),))])
    assert suppression.matches(b"a")


def test_an_empty_batch_suppresses_nothing() -> None:
    outcome = processed("clicks", users=erased("u1"))
    assert outcome.suppressed.equals(pl.DataFrame(schema=SUPPRESSED_COLUMNS))
