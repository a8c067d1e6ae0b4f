"""OpenRTB requests: which of several values counts, in JSON, Avro data and nested records."""

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import fastavro
import pytest

from advertisex.codecs.avro_framing import CONFLUENT_MARKER
from advertisex.feeds import FEEDS
from advertisex.feeds.words import MISSING
from advertisex.ingestion.encode import Encoder
from advertisex.processing.policy import Policy
from tests.processing.messages import event_of, message, outcome_of, reject_of

ZEROS = "00000000-0000-0000-0000-000000000000"


def request(**parts: Any) -> bytes:
    whole = {"id": "a1", "timestamp": "2026-01-05T10:00:00Z", "imp": [{"bidfloor": 0.5}], "user": {"id": "u1"}} | parts
    return json.dumps({name: part for name, part in whole.items() if part is not ...}).encode()


def eids(*ids: Any) -> list[dict[str, Any]]:
    return [{"source": "x.example", "uids": [{"id": one}]} for one in ids]


@pytest.mark.parametrize(
    ("user", "ifa", "expected"),
    [
        ({"id": "u", "buyeruid": "b", "eids": eids("e")}, "i", "u"),
        ({"id": "", "buyeruid": "b", "eids": eids("e")}, "i", "b"),
        ({"buyeruid": " ", "eids": eids("", None, "e2", "e3")}, "i", "e2"),
        ({"eids": [{"uids": []}, {}, "x", {"uids": [{}, {"id": "e"}, {"id": "f"}]}]}, "i", "e"),
        ({"eids": None}, "i", "i"),
        ({"id": "NULL", "buyeruid": "-", "eids": []}, "i", "i"),
        ({"id": "u"}, ZEROS, "u"),
        (..., "i", "i"),
        ({"id": 12345678901234567890123}, "i", "12345678901234567890123"),
    ],
)
def test_the_user_is_the_first_id_that_is_given(user: Any, ifa: str, expected: str) -> None:
    assert event_of("bids", request(user=user, device={"ifa": ifa}))["user_id"] == expected


@pytest.mark.parametrize("ifa", [ZEROS, ZEROS.replace("-", ""), "0", "", "-", None])
@pytest.mark.parametrize("user", [..., {}, {"id": ""}])
def test_an_advertising_id_of_zeros_is_not_a_user(ifa: Any, user: Any) -> None:
    assert reject_of("bids", request(user=user, device={"ifa": ifa}))["reason"] == "missing_field"


def test_of_missing_values_the_first_is_in_the_detail() -> None:
    reject = reject_of("bids", request(user={"id": "N/A", "buyeruid": "null"}))

    assert (reject["reason"], reject["detail"].endswith("got 'N/A'")) == ("placeholder_user_id", True)


@pytest.mark.parametrize(
    ("place", "website", "app"),
    [
        ({"site": {"page": "https://a.com/x", "domain": "b.com"}}, "https://a.com/x", None),
        ({"site": {"page": "", "domain": "b.com"}}, "b.com", None),
        ({"site": {"page": "n/a", "domain": None}}, None, None),
        ({"site": {"page": "", "domain": ""}, "app": {"bundle": "com.x.y"}}, None, "com.x.y"),
        ({"app": {"bundle": "com.x.y", "domain": "x.com", "storeurl": "https://play.example/x"}}, None, "com.x.y"),
        ({"app": {"bundle": "", "storeurl": "https://play.example/x"}}, None, None),
    ],
)
def test_a_request_is_on_a_website_or_in_an_app(place: dict[str, Any], website: str | None, app: str | None) -> None:
    event = event_of("bids", request(**place))

    assert (event["website"], event["app"]) == (website, app)
    assert (event["domain"] is None) == (website is None)


@pytest.mark.parametrize("page", ["{{PAGE_URL}}", "{{SITE.PAGE}}", "https://${DOMAIN}/x", "%%SITE%%", "[PAGE.URL]"])
def test_a_macro_that_was_not_replaced_is_not_a_website(page: str) -> None:
    assert reject_of("bids", request(site={"page": page}))["reason"] == "bad_website"


def test_a_request_without_impressions_is_rejected() -> None:
    reject = reject_of("bids", request(imp=[]))

    assert (reject["stage"], reject["reason"]) == ("decode", "no_impressions")
    as_record = Encoder(FEEDS["bids"]).message(json.loads(request(imp=[])))  # as a container file of Avro has it
    assert reject_of("bids", as_record)["reason"] == "no_impressions"


@pytest.mark.parametrize("test", [1, True, "1", "true", 1.0])
def test_a_test_is_filtered_by_policy(test: Any) -> None:
    for payload in (request(test=test), message("bids", test=test), nested(test=test)):
        reject = reject_of("bids", payload)
        assert (reject["kind"], reject["reason"]) == ("filtered", "test_request")
        assert reject["detail"] == "test: True marks a test"
        assert event_of("bids", payload, policy=Policy(test_requests=False))["user_id"] == "u1"


@pytest.mark.parametrize("test", [0, False, "", None, ..., "n/a"])
def test_other_requests_are_no_test(test: Any) -> None:
    for payload in (request(test=test), message("bids", test=test)):
        assert "test" not in event_of("bids", payload)


def nested(**parts: Any) -> bytes:
    record = {"who": {"user_id": "u1"}, "auction": {"timestamp": "2026-01-05T10:00:00Z"} | parts}
    return json.dumps(record).encode()


# -- missing values in nested records and foreign Avro ------------------------------------------------------------

SPELLED = [spelling for text in MISSING for spelling in {text, text.upper(), f" {text.title()}\t"}]


@pytest.mark.parametrize("creative", ["creative_id", "ad_creative_id"])
def test_a_missing_value_does_not_hide_an_alias_or_a_nested_value(creative: str) -> None:
    found = {"creative": "c9"}
    payloads = [
        payload
        for text in SPELLED
        for payload in (
            nested(**{creative: text} | found),
            json.dumps(json.loads(nested(**found)) | {creative: text}).encode(),
            json.dumps(json.loads(nested(**{creative: text})) | {"inner": {"deep": found}}).encode(),
            avro({creative: text} | found),
            Encoder(FEEDS["bids"]).message({"user_id": "u1", "timestamp": 1767607200, creative: text} | found),
        )
    ]
    feed = replace(FEEDS["bids"], confluent_schemas=((7, schema(creative)),))

    outcome = outcome_of(feed, *payloads)

    assert outcome.rejects.is_empty()
    assert {*outcome.events["creative_id"], *outcome.repeated["creative_id"]} == {"c9"}


def schema(creative: str) -> dict[str, Any]:
    names = ("user_id", "timestamp", creative, "creative")
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": "string"} for name in names]}


def avro(fields: dict[str, str]) -> bytes:
    body = BytesIO()
    (creative, _) = fields
    record = {"user_id": "u1", "timestamp": "2026-01-05T10:00:00Z"} | fields
    fastavro.schemaless_writer(body, schema(creative), record)
    return CONFLUENT_MARKER + (7).to_bytes(4, "big") + body.getvalue()


def test_a_required_field_whose_values_are_all_missing_is_missing() -> None:
    for text in SPELLED:
        record = json.dumps({"user_id": "u1", "timestamp": text, "auction": {"event_timestamp": "-"}}).encode()
        reject = reject_of("bids", record)
        assert reject["reason"] == "missing_field"
        assert reject["detail"].endswith(f"got {text.strip()!r}")
