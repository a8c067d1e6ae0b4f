"""Validate stage: each rule of each feed has a message that breaks it; a new rule without one fails here."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from advertisex.codecs.rejection import shown
from advertisex.feeds import FEEDS, TimeReading, default_feeds
from advertisex.feeds.rules import MAX_TEXT, with_own_fields
from tests.processing.messages import INGESTED, event_of, message, outcome_of, reject_of, written

FAR = "1999-12-31T23:59:59.999999Z"

#: For each (reason, field) of a feed: the change to a valid message, and the value as shown in the detail.
BREAKING: dict[str, dict[tuple[str, str], tuple[dict[str, Any], str]]] = {
    "impressions": {
        ("missing_field", "user_id"): ({"user_id": ""}, "''"),
        ("missing_field", "timestamp"): ({"timestamp": None}, "None"),
        ("missing_field", "website"): ({"website": ...}, "None"),
        ("missing_field", "creative_id"): ({"creative_id": ""}, "''"),
        ("bad_timestamp", "timestamp"): ({"timestamp": "yesterday"}, "'yesterday'"),
        ("timestamp_out_of_range", "timestamp"): ({"timestamp": FAR}, repr(FAR)),
        ("bad_website", "website"): ({"website": "ftp://a.com"}, "'ftp://a.com'"),
        ("placeholder_user_id", "user_id"): ({"user_id": "undefined"}, "'undefined'"),
        ("control_character", "user_id"): ({"user_id": "a\x00b"}, r"'a\x00b'"),
        ("control_character", "creative_id"): ({"creative_id": "c\n1"}, r"'c\n1'"),
        ("control_character", "auction_id"): ({"auction_id": "\x1b"}, r"'\x1b'"),
        ("control_character", "app"): ({"app": "a\x00"}, r"'a\x00'"),
        ("control_character", "placement"): ({"placement": "a\nb"}, r"'a\nb'"),
        ("control_character", "currency"): ({"currency": "\x01"}, r"'\x01'"),
        ("scientific_notation", "user_id"): ({"user_id": "9.06E+17"}, "'9.06E+17'"),
        ("scientific_notation", "app"): ({"app": "1.2e+11"}, "'1.2e+11'"),
        ("scientific_notation", "creative_id"): ({"creative_id": "9E+17"}, "'9E+17'"),
        ("scientific_notation", "auction_id"): ({"auction_id": "9,06E+17"}, "'9,06E+17'"),
        ("scientific_notation", "placement"): ({"placement": "-9.06E+17"}, "'-9.06E+17'"),
        ("scientific_notation", "currency"): ({"currency": "1E+12"}, "'1E+12'"),
        ("wrong_type", "cost"): ({"cost": "free"}, "'free'"),
        ("bad_amount", "cost"): ({"cost": "-1"}, "'-1'"),
        ("amount_too_large", "cost"): ({"cost": 10**18 + 1}, "'1000000000000000001'"),
        ("wrong_type", "clearing_price"): ({"clearing_price": "free"}, "'free'"),
        ("bad_amount", "clearing_price"): ({"clearing_price": "-1"}, "'-1'"),
        ("amount_too_large", "clearing_price"): ({"clearing_price": 10**18 + 1}, "'1000000000000000001'"),
    },
    "clicks": {
        ("missing_field", "user_id"): ({"user_id": None}, "None"),
        ("missing_field", "timestamp"): ({"timestamp": ""}, "''"),
        ("missing_field", "campaign_id"): ({"campaign_id": ...}, "None"),
        ("missing_field", "conversion_type"): ({"conversion_type": ...}, "None"),
        ("wrong_type", "clicks"): ({"clicks": "1.5"}, "'1.5'"),
        ("wrong_type", "conversions"): ({"conversions": "two"}, "'two'"),
        ("wrong_type", "value"): ({"value": "5 EUR"}, "'5 EUR'"),
        ("bad_timestamp", "timestamp"): ({"timestamp": "2026-02-30T00:00:00Z"}, "'2026-02-30T00:00:00Z'"),
        ("timestamp_out_of_range", "timestamp"): ({"timestamp": "99999999999"}, "'99999999999'"),
        ("placeholder_user_id", "user_id"): ({"user_id": "NULL"}, "'NULL'"),
        ("control_character", "user_id"): ({"user_id": "\x7f"}, r"'\x7f'"),
        ("control_character", "campaign_id"): ({"campaign_id": "a\tb"}, r"'a\tb'"),
        ("control_character", "conversion_type"): ({"conversion_type": "sign\rup"}, r"'sign\rup'"),
        ("control_character", "currency"): ({"currency": "E\x85R"}, r"'E\x85R'"),
        ("control_character", "transaction_id"): ({"order_id": "1\n2"}, r"'1\n2'"),
        ("control_character", "click_id"): ({"gclid": "\x00"}, r"'\x00'"),
        ("control_character", "app"): ({"bundle": "\x7f"}, r"'\x7f'"),
        ("scientific_notation", "user_id"): ({"user_id": "1.23457e+15"}, "'1.23457e+15'"),
        ("scientific_notation", "campaign_id"): ({"campaign_id": "1.2E+100"}, "'1.2E+100'"),
        ("scientific_notation", "conversion_type"): ({"conversion_type": "1.2E+10", "clicks": 1}, "'1.2E+10'"),
        ("scientific_notation", "currency"): ({"currency": "1E+12"}, "'1E+12'"),
        ("scientific_notation", "transaction_id"): ({"order_id": "1.0E+12"}, "'1.0E+12'"),
        ("scientific_notation", "click_id"): ({"gclid": "1.0E+12"}, "'1.0E+12'"),
        ("scientific_notation", "app"): ({"bundle": "1.0E+12"}, "'1.0E+12'"),
        ("ambiguous_number", "clicks"): ({"clicks": "1.000"}, "'1.000'"),
        ("ambiguous_number", "conversions"): ({"conversions": "1,234"}, "'1,234'"),
        ("negative_count", "clicks"): ({"clicks": -1}, "'-1'"),
        ("negative_count", "conversions"): ({"conversions": "-7"}, "'-7'"),
        ("count_too_large", "clicks"): ({"clicks": 2**62}, "'4611686018427387904'"),
        ("count_too_large", "conversions"): ({"conversions": "1000000001"}, "'1000000001'"),
        ("bad_amount", "value"): ({"value": "-0.01"}, "'-0.01'"),
        ("amount_too_large", "value"): ({"value": "1e19"}, "'1e19'"),
        ("bad_conversion_type", "conversion_type"): ({"conversion_type": "2"}, "'2'"),
        ("other_feed", "conversion_type"): ({"conversion_type": "Impression"}, "'Impression'"),
        ("bad_refund", "value"): ({"conversion_type": "refund"}, "None"),
        ("bad_refund", "clicks"): ({"conversion_type": "refund", "value": -1, "clicks": 1}, "'1'"),
        ("bad_refund", "conversions"): ({"conversion_type": "refund", "value": -1, "conversions": 2}, "'2'"),
    },
    "bids": {
        ("missing_field", "user_id"): ({"user_id": ""}, "''"),
        ("missing_field", "timestamp"): ({"timestamp": ...}, "None"),
        ("wrong_type", "amount"): ({"amount": "a lot"}, "'a lot'"),
        ("bad_timestamp", "timestamp"): ({"timestamp": "x"}, "'x'"),
        ("timestamp_out_of_range", "timestamp"): ({"timestamp": "2100-01-01T00:00:00Z"}, "'2100-01-01T00:00:00Z'"),
        ("bad_website", "website"): ({"website": "a/b"}, "'a/b'"),
        ("placeholder_user_id", "user_id"): ({"user_id": "0"}, "'0'"),
        ("control_character", "user_id"): ({"user_id": "\x1f"}, r"'\x1f'"),
        ("control_character", "creative_id"): ({"creative_id": "\x00"}, r"'\x00'"),
        ("control_character", "auction_id"): ({"auction_id": "a\nb"}, r"'a\nb'"),
        ("control_character", "currency"): ({"currency": "E\x9fR"}, r"'E\x9fR'"),
        ("bad_amount", "amount"): ({"amount": -1.5}, "'-1.5'"),
        ("amount_too_large", "amount"): (
            {"amount": "1000000000000000000.000000000001"},
            "'1000000000000000000.000000000001'",
        ),
        ("wrong_type", "price_paid"): ({"price_paid": True}, "'true'"),
        ("scientific_notation", "user_id"): ({"user_id": "9.06E+17"}, "'9.06E+17'"),
        ("scientific_notation", "creative_id"): ({"creative_id": "9.06E+17"}, "'9.06E+17'"),
        ("scientific_notation", "auction_id"): ({"auction_id": "9.06E+17"}, "'9.06E+17'"),
        ("scientific_notation", "currency"): ({"currency": "9.06E+17"}, "'9.06E+17'"),
        ("scientific_notation", "app"): ({"app": "9.06E+17"}, "'9.06E+17'"),
        ("wrong_type", "test"): ({"test": "variant b"}, "'variant b'"),
        ("bad_amount", "price_paid"): ({"price_paid": "inf"}, "'inf'"),
        ("amount_too_large", "price_paid"): ({"price_paid": "1e400"}, "'1e400'"),
        ("control_character", "app"): ({"app": "\x00"}, r"'\x00'"),
    },
}
LONG = {"website": "https://a.com/" + "x" * MAX_TEXT, "targeting": {"a": "x" * MAX_TEXT}}
for name, cases in BREAKING.items():
    for field in FEEDS[name].fields:
        if field.is_text:
            value = LONG.get(field.name, "x" * (MAX_TEXT + 1))
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            cases["text_too_long", field.name] = ({field.name: value}, shown(text))
CASES = [(feed, *rule, *case) for feed, cases in BREAKING.items() for rule, case in cases.items()]


@pytest.mark.parametrize("feed", FEEDS)
def test_every_rule_has_a_message_that_breaks_it(feed: str) -> None:
    rules = [(rule.code, rule.field) for rule in FEEDS[feed].rules]

    assert sorted(rules) == sorted(BREAKING[feed])
    assert len(set(rules)) == len(rules)


@pytest.mark.parametrize(("feed", "reason", "field", "changes", "shown"), CASES)
def test_a_broken_rule_is_the_reason_and_the_detail_names_the_field_and_shows_the_value(
    feed: str, reason: str, field: str, changes: dict[str, Any], shown: str
) -> None:
    payload = message(feed, **changes)

    reject = reject_of(feed, payload)

    assert (reject["kind"], reject["stage"], reject["reason"]) == ("rejected", "validate", reason)
    assert reject["detail"].startswith(f"{field}: ")
    assert reject["detail"].endswith(f"got {shown}")
    assert reject["payload"] == payload


@pytest.mark.parametrize("feed", FEEDS)
def test_a_valid_message_among_invalid_ones_is_kept(feed: str) -> None:
    bad = [message(feed, **changes) for changes, _ in BREAKING[feed].values()]

    outcome = outcome_of(feed, *bad, message(feed), *bad)

    assert outcome.events["offset"].to_list() == [len(bad)]
    assert outcome.rejects["offset"].to_list() == [o for o in range(2 * len(bad) + 1) if o != len(bad)]
    assert outcome.rejects["reason"].to_list() == [reason for reason, _ in BREAKING[feed]] * 2


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("field", ["user_id", "timestamp", "website", "creative_id", "campaign_id"])
@pytest.mark.parametrize("absent", [..., None, ""], ids=["absent", "null", "empty"])
def test_a_required_field_is_missing_if_absent_null_or_empty(feed: str, field: str, absent: Any) -> None:
    known = FEEDS[feed].field_named(field)
    payload = message(feed, **{field: absent})
    if known and (known.required or (feed, field) == ("impressions", "website")):  # an app would do instead
        assert reject_of(feed, payload)["reason"] == "missing_field"
    else:
        assert outcome_of(feed, payload).rejects.is_empty()


def test_of_several_broken_rules_the_first_is_the_reason() -> None:
    payload = message("clicks", user_id="", timestamp="x", clicks="y", value=-1)

    assert FEEDS["clicks"].rules[0].code == "missing_field"
    assert reject_of("clicks", payload)["reason"] == "missing_field"


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(
    "user",
    ["null", "NULL", "None", "nil", "undefined", "NaN", "N/A", "-", "--", "0", "unknown", "(null)", "[object Object]",
     "00000000-0000-0000-0000-000000000000", "0" * 32, r"\N"],
)  # fmt: skip
def test_placeholders_are_not_users(feed: str, user: str) -> None:
    assert reject_of(feed, message(feed, user_id=user))["reason"] == "placeholder_user_id"


@pytest.mark.parametrize(
    "user", ["nullable", "00", "none@example.com", "é", "-a", "unknown1", "1e10", "9e-17", "12.5E+17", "9E+1"]
)
def test_ids_that_only_look_like_placeholders_are_users(user: str) -> None:
    assert event_of("clicks", message("clicks", user_id=user))["user_id"] == user


@pytest.mark.parametrize("amount", ["Infinity", "inf", "-inf", "-1e-300", "-5"])
@pytest.mark.parametrize(("feed", "field"), [("bids", "amount"), ("clicks", "value")])
def test_amounts_that_are_not_money(feed: str, field: str, amount: str) -> None:
    reject = reject_of(feed, message(feed, **{field: amount}))

    assert reject["reason"] == "bad_amount"
    assert repr(amount) in reject["detail"]


@pytest.mark.parametrize("amount", ["1e999", "1e99999999999999999999", "1" + "0" * 5000, "1000000000000000000.5"])
@pytest.mark.parametrize(
    ("feed", "field"),
    [("bids", "amount"), ("clicks", "value"), ("impressions", "cost"), ("impressions", "clearing_price")],
)
def test_an_amount_that_is_too_large_costs_only_its_own_message(feed: str, field: str, amount: str) -> None:
    for payload in (message(feed, **{field: amount}), written(feed, **{field: amount})):
        outcome = outcome_of(feed, payload, message(feed))

        assert outcome.events["offset"].to_list() == [1]
        # the JSON decoder does not read whole numbers of thousands of digits
        assert outcome.rejects["reason"].is_in(["amount_too_large", "undecodable"]).to_list() == [True]
        assert outcome.rejects["payload"].to_list() == [payload]


# -- the range of time -------------------------------------------------------------------------------------------

INGESTED_AT = datetime.fromtimestamp(INGESTED / 1e6, UTC)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(
    ("instant", "accepted"),
    [
        (datetime(2000, 1, 1, tzinfo=UTC), True),
        (datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC), False),
        (INGESTED_AT, True),
        (INGESTED_AT + timedelta(days=1), True),
        (INGESTED_AT + timedelta(days=1, microseconds=1), False),
    ],
)
def test_the_range_of_accepted_times_is_exact(feed: str, instant: datetime, accepted: bool) -> None:
    outcome = outcome_of(feed, message(feed, timestamp=instant.isoformat()))

    assert outcome.events.height == accepted
    assert outcome.rejects["reason"].to_list() == [] if accepted else ["timestamp_out_of_range"]


def test_the_range_is_a_setting() -> None:
    feeds = default_feeds(TimeReading(earliest=datetime(1990, 1, 1, tzinfo=UTC), future=timedelta(days=400)))

    for text in ("1990-01-01T00:00:00Z", (INGESTED_AT + timedelta(days=399)).isoformat()):
        assert outcome_of(feeds["bids"], message("bids", timestamp=text)).events.height == 1
    assert (
        reject_of(feeds["bids"], message("bids", timestamp="1989-12-31T23:59:59Z"))["reason"]
        == "timestamp_out_of_range"
    )


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(
    "text", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00", "-99999999999", "1e300"]
)
def test_a_time_outside_pythons_range_is_one_reject(feed: str, text: str) -> None:
    outcome = outcome_of(feed, message(feed, timestamp=text), message(feed))

    assert outcome.events["offset"].to_list() == [1]
    assert outcome.rejects["reason"][0] in {"timestamp_out_of_range", "bad_timestamp"}
    assert repr(text) in outcome.rejects["detail"][0]


# -- details -----------------------------------------------------------------------------------------------------


def test_a_long_value_is_truncated_in_the_detail_and_whole_in_the_payload() -> None:
    payload = message("clicks", user_id="\x00" + "x" * 5000)

    reject = reject_of("clicks", payload)

    assert len(reject["detail"]) < 400
    assert reject["payload"] == payload


def test_a_custom_identity_field_is_required() -> None:
    feed = with_own_fields(FEEDS["clicks"], {"uuid": "text"}).identified_by(["uuid"])

    reject = reject_of(feed, message("clicks"))

    assert reject["reason"] == "missing_field"
    assert "uuid" in reject["detail"]
    assert outcome_of(feed, message("clicks", uuid="1"), message("clicks", uuid="2")).events.height == 2
    assert outcome_of(feed, message("clicks", uuid="1"), message("clicks", uuid="1", value=5)).repeated.height == 1


def test_without_rules_everything_is_valid() -> None:
    feed = replace(FEEDS["clicks"], rules=FEEDS["clicks"].rules[:1])

    assert outcome_of(feed, message("clicks", value=-1)).events.height == 1
