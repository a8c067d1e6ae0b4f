"""Pixels and billing notices: impressions from a query string."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.ingestion.encode import Encoder
from advertisex.web.collector.pixel import GIF
from tests.budget import examples
from tests.processing.messages import GOOD, event_of, reject_of
from tests.web.collector.places import Place, collecting

GOOD_PIXEL = GOOD["impressions"]


def requested(place: Place, query: str | dict[str, Any], path: str = "pixel.gif", **headers: str) -> bytes:
    """The message of a request."""
    before = len(place.messages("ad_impressions"))
    target = f"/v1/{path}?{query}" if isinstance(query, str) else f"/v1/{path}"
    response = place.client.get(target, params=None if isinstance(query, str) else query, headers=headers)
    assert (response.status_code, response.content) == (200, GIF)
    (message,) = place.messages("ad_impressions", before)
    return message


@settings(max_examples=examples(60), deadline=None)
@given(texts=st.dictionaries(st.sampled_from([*GOOD_PIXEL, "placement", "cost"]), st.text(max_size=20)))
def test_a_pixel_is_the_impression_that_ingest_makes_of_a_row(place: Place, texts: dict[str, str]) -> None:
    row = GOOD_PIXEL | texts | {"timestamp": GOOD_PIXEL["timestamp"]}
    resolved = {name: value for name, value in row.items() if not value.strip().startswith(("[", "{", "$", "%"))}

    assert requested(place, resolved) == Encoder(FEEDS["impressions"]).message(resolved)


def test_a_pixel_is_never_kept_by_a_cache_and_is_shown_on_any_site(place: Place) -> None:
    response = place.client.get("/v1/pixel.gif", params=GOOD_PIXEL)

    assert response.headers["content-type"] == "image/gif"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert place.client.get("/healthz").headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("timestamp", [{}, {"timestamp": ""}, {"timestamp": "${TIME}"}])
def test_a_pixel_without_a_time_gets_that_of_its_arrival(place: Place, timestamp: dict[str, str]) -> None:
    before = datetime.now(UTC)
    row = {name: value for name, value in GOOD_PIXEL.items() if name != "timestamp"} | timestamp

    found = json.loads(requested(place, row))

    assert timedelta(0) <= datetime.fromisoformat(found["timestamp"]) - before < timedelta(minutes=1)


@pytest.mark.parametrize(
    "macro", ["${USER_ID}", "$%7BUSER:ID%7D", "{{user.id}}", "{{ user }}", "%%CACHEBUSTER%%", "%25%25ID%25%25", "[ID]"]
)
def test_a_macro_that_was_not_replaced_is_a_missing_value(place: Place, macro: str) -> None:
    message = requested(place, f"user_id={macro}&creative_id=c1&website=a.example.com")

    assert list(json.loads(message)["_unresolved"]) == ["user_id"]
    assert reject_of("impressions", message)["detail"] == "user_id: must be given, got None"


@pytest.mark.parametrize("text", ["a${B}", "[::1]", "{}", "[1]", "100%", "%zz"])
def test_text_that_is_not_a_macro_stays(place: Place, text: str) -> None:
    assert json.loads(requested(place, {"user_id": text}))["user_id"] == text


@pytest.mark.parametrize(
    ("query", "reason"), [("user_id=a&user_id=b", "not_a_record"), ("user_id=${A}&user_id=b", "not_a_record"),
                          ("user_id=%ff", "wrong_encoding")]
)  # fmt: skip
def test_a_query_that_can_be_read_in_two_ways_is_rejected(place: Place, query: str, reason: str) -> None:
    assert reject_of("impressions", requested(place, query))["reason"] == reason


def test_a_billing_notice_is_an_impression_with_an_auction_and_its_price(place: Place) -> None:
    query = GOOD_PIXEL | {"auction_id": "a-1", "price": "2.50", "currency": "EUR"}

    event = event_of("impressions", requested(place, query, "burl"))

    assert (event["auction_id"], event["clearing_price"], event["currency"]) == ("a-1", Decimal("2.50"), "EUR")
    assert event["cost"] is None


def test_nothing_of_the_client_is_kept_unless_a_field_is_named_for_it(place: Place, tmp_path: Path) -> None:
    headers = {"User-Agent": "Browser/1", "X-Forwarded-For": "203.0.113.9", "Referer": "https://a.example.com/"}
    message = requested(place, GOOD_PIXEL, **headers)
    assert json.loads(message) == GOOD_PIXEL

    with collecting(tmp_path, user_agent_field="ua") as other:
        assert json.loads(requested(other, GOOD_PIXEL, **headers)) == GOOD_PIXEL | {"user_agent": "Browser/1"}
        given_one = requested(other, GOOD_PIXEL | {"ua": "mine"}, **headers)
    assert json.loads(given_one) == GOOD_PIXEL | {"ua": "mine"}
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"203.0.113.9" not in files
    assert b"127.0.0.1" not in files


def test_the_field_for_the_user_agent_must_be_one_of_text(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="impressions have no text field 'cost'"),
        collecting(tmp_path, user_agent_field="cost"),
    ):
        pass
