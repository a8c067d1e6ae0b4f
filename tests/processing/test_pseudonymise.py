"""Pseudonymise stage: user ids are stored as keyed hashes."""

import re

import pytest

from advertisex.feeds import FEEDS
from advertisex.model import Outcome
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.pseudonymise import pseudonym
from advertisex.processing.suppression import erased_user, suppression_of
from tests.processing.messages import batch_of, message

KEY = b"a secret of the settings"


def processed(*users: object, key: bytes = KEY, erased: str = "") -> Outcome:
    payloads = [message("clicks", user_id=user) for user in users]
    suppression = suppression_of([erased_user(erased, bytes(32))] if erased else [])
    policy = Policy(blocked_users=frozenset({"blocked"}))
    return process(batch_of(FEEDS["clicks"], payloads), FEEDS["clicks"], policy, suppression, key)


def test_each_user_has_one_pseudonym_per_key_and_no_two_users_share_one() -> None:
    users = processed("a", "b", "é", 7).events["user_id"].to_list()

    assert users == [pseudonym(user, KEY) for user in ("a", "b", "é", "7")]
    assert len(set(users)) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", user) for user in users)
    assert pseudonym("a", KEY) != pseudonym("a", KEY + b"!")


def test_a_key_may_be_long() -> None:
    long = bytes(range(256))
    assert pseudonym("a", long) != pseudonym("a", long[:-1])


def test_without_a_key_ids_are_stored() -> None:
    assert processed("a", key=b"").events["user_id"].to_list() == ["a"]


def test_the_identity_is_that_of_the_pseudonym_and_duplicates_are_found() -> None:
    plain, hashed = processed("a", "a", key=b""), processed("a", "a")

    assert (hashed.events.height, hashed.repeated.height) == (1, 1)
    assert plain.events["event_id"][0] != hashed.events["event_id"][0]


def test_policy_and_erasure_see_the_id_itself() -> None:
    outcome = processed("-5", "blocked", "a", "b", erased="a")

    assert outcome.rejects["reason"].to_list() == ["negative_user_id", "blocked_user"]
    assert outcome.suppressed["offset"].to_list() == [2]
    assert outcome.events["user_id"].to_list() == [pseudonym("b", KEY)]


@pytest.mark.parametrize("users", [(), ("-5",)])
def test_a_batch_without_events_needs_no_pseudonym(users: tuple[str, ...]) -> None:
    assert processed(*users).events.is_empty()
