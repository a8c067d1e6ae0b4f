"""Filter stage: events that the policy excludes are set aside whole, with a reason."""

from datetime import datetime

import pytest

from advertisex.feeds import FEEDS
from advertisex.processing.policy import Policy
from tests.processing.messages import event_of, message, outcome_of, reject_of

BLOCKING = Policy(
    blocked_users=frozenset({"bot", "é", "42"}), blocked_sites=frozenset({"bad.example", "evil.co.uk", "192.0.2.1"})
)
NOTHING = Policy(negative_users=False)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("user", ["-1", "-0", "-12345678901234567890", " -5 "])
def test_negative_users_are_filtered(feed: str, user: str) -> None:
    payload = message(feed, user_id=user)

    reject = reject_of(feed, payload)

    assert (reject["kind"], reject["stage"], reject["reason"]) == ("filtered", "filter", "negative_user_id")
    assert reject["detail"].startswith("user_id: ")
    assert repr(user.strip()) in reject["detail"]
    assert reject["payload"] == payload
    assert event_of(feed, payload, policy=NOTHING)["user_id"] == user.strip()


def test_a_negative_number_is_a_negative_user() -> None:
    assert reject_of("bids", message("bids", user_id=-7))["reason"] == "negative_user_id"


@pytest.mark.parametrize("user", ["-a", "--1", "a-1", "1-1", "−1", "-1x", "-89Cff4zsbUxc", "-5.5", "-1e3", "-١"])
def test_only_a_whole_number_is_a_negative_user(user: str) -> None:
    assert event_of("clicks", message("clicks", user_id=user))["user_id"] == user


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("user", ["bot", " bot\n", "é", "42", 42])
def test_blocked_users_are_filtered(feed: str, user: str | int) -> None:
    reject = reject_of(feed, message(feed, user_id=user), policy=BLOCKING)

    assert (reject["kind"], reject["reason"]) == ("filtered", "blocked_user")
    assert repr(str(user).strip()) in reject["detail"]


@pytest.mark.parametrize("user", ["Bot", "robot", "4 2", "042"])
def test_users_are_blocked_by_their_exact_id(user: str) -> None:
    assert event_of("clicks", message("clicks", user_id=user), policy=BLOCKING)["user_id"] == user


@pytest.mark.parametrize("feed", ["impressions", "bids"])
@pytest.mark.parametrize(
    "website",
    [
        "https://bad.example/x", "http://BAD.example", "bad.example", "bad.example:8080", "https://a.b.bad.example/",
        "www.evil.co.uk", "http://192.0.2.1/", "https://bad.example./", "https://b%61d.example/",
    ],
)  # fmt: skip
def test_blocked_sites_and_their_subdomains_are_filtered(feed: str, website: str) -> None:
    reject = reject_of(feed, message(feed, website=website), policy=BLOCKING)

    assert (reject["kind"], reject["stage"], reject["reason"]) == ("filtered", "filter", "blocked_site")
    assert reject["detail"].startswith("website: ")
    assert repr(website) in reject["detail"]


@pytest.mark.parametrize(
    "website", ["notbad.example", "example", "bad.example.com", "co.uk", "https://good.example/?u=https://bad.example/"]
)
def test_sites_similar_to_a_blocked_one_are_kept(website: str) -> None:
    website = website if "." in website else f"http://{website}/"

    assert event_of("impressions", message("impressions", website=website), policy=BLOCKING)["website"] == website


def test_a_bid_without_a_website_is_not_on_a_blocked_site() -> None:
    assert event_of("bids", message("bids", website=...), policy=BLOCKING)["domain"] is None


def test_only_valid_events_are_filtered() -> None:
    reject = reject_of("clicks", message("clicks", user_id="-1", value=-1))

    assert (reject["kind"], reject["reason"]) == ("rejected", "bad_amount")


def test_of_several_reasons_the_first_is_given_and_neighbours_do_not_matter() -> None:
    outcome = outcome_of(
        "impressions",
        message("impressions", user_id="-1", website="bad.example"),
        message("impressions", user_id="bot", website="bad.example"),
        message("impressions"),
        message("impressions", website="bad.example"),
        policy=BLOCKING,
    )

    assert outcome.rejects["reason"].to_list() == ["negative_user_id", "blocked_user", "blocked_site"]
    assert outcome.rejects["offset"].to_list() == [0, 1, 3]
    assert outcome.events["offset"].to_list() == [2]


def test_filtered_events_are_not_deduplicated() -> None:
    outcome = outcome_of("clicks", message("clicks", user_id="-1"), message("clicks", user_id="-1"))

    assert (outcome.repeated.height, outcome.rejects.height) == (0, 2)


@pytest.mark.parametrize("feed", FEEDS)
def test_events_before_what_the_store_keeps_are_expired(feed: str) -> None:
    policy = Policy(kept_since=datetime(2026, 1, 5, 10))
    before = message(feed, timestamp="2026-01-05T09:59:59.999999Z")

    reject = reject_of(feed, before, policy=policy)

    assert (reject["kind"], reject["stage"], reject["reason"]) == ("filtered", "filter", "expired")
    assert reject["detail"].startswith("event_time: 2026-01-05T09:59:59.999999Z is before")
    assert reject["payload"] == before
    at = event_of(feed, message(feed, timestamp="2026-01-05T10:00:00Z"), policy=policy)
    assert at["event_time"] == datetime(2026, 1, 5, 10)


def test_the_policy_of_the_settings_comes_before_the_age_of_an_event() -> None:
    old = message("clicks", user_id="-1", timestamp="2026-01-05T09:00:00Z")
    assert reject_of("clicks", old, policy=Policy(kept_since=datetime(2026, 2, 1)))["reason"] == "negative_user_id"
