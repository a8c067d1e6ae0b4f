import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.api.cursor_field import is_beyond, latest_of
from advertisex.ingestion.api.cursor_value import cursor_value
from advertisex.ingestion.api.placeholders import Values, filled, placeholders_in
from advertisex.ingestion.api.request import Request
from tests.budget import examples

DAY = timedelta(days=1)
VALUES = Values(
    since=cursor_value("2026-01-05T09:30:00.125+02:00"),
    until=datetime(2026, 1, 6, 12, 0, 0, 999_999, tzinfo=UTC),
    cursor=cursor_value("1767600000"),
)

few = settings(max_examples=examples(60))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{since}", "2026-01-05T09:30:00.125+02:00"),
        ("{until}", "2026-01-06T12:00:00Z"),
        ("{cursor}", "1767600000"),
        ("{since:%Y-%m-%d}", "2026-01-05"),
        ("{since:%Y%m%dT%H%M%S}", "20260105T073000"),
        ("{since:epoch}", "1767598200"),
        ("{since:epoch_ms}", "1767598200125"),
        ("{since:epoch_us}", "1767598200125000"),
        ("{until:epoch_ms}", "1767700800000"),
        ("{cursor:%Y-%m-%dT%H:%M:%SZ}", "2026-01-05T08:00:00Z"),
        ("{since:%d%%}..{until:%d}", "05%..06"),
        (
            "{sinc} {Since} { since } {} {since {cursor2} {since\n}",
            "{sinc} {Since} { since } {} {since {cursor2} {since\n}",
        ),
    ],
)
def test_placeholders_are_replaced_in_headers_and_bodies(template: str, expected: str) -> None:
    request = Request("https://a.b/", "POST", {"X-Since": template}, template.encode())
    assert filled(request, VALUES) == Request("https://a.b/", "POST", {"X-Since": expected}, expected.encode())


def test_what_is_not_a_placeholder_stays() -> None:
    request = Request(
        "https://a.b/{sinc}", "POST", {"X": "{Since} { since }"}, b"{} {since {cursor2} {since\n} {cursor id}"
    )
    assert filled(request, VALUES) == request


def test_the_braces_of_json_stay() -> None:
    body = b'{"filter":{"since":"{since}","nested":{"until":{until:epoch}}},"raw":"\xff"}'
    request = filled(Request("https://a.b/", "POST", {}, body), VALUES)
    assert request.body == (
        b'{"filter":{"since":"2026-01-05T09:30:00.125+02:00","nested":{"until":1767700800}},"raw":"\xff"}'
    )


def test_values_are_encoded_in_urls_and_the_rest_keeps_its_spelling() -> None:
    url = "https://a.b/x%2Fy/{since:%Y-%m-%d}?q=a+b&q=%7e&since={since}&t={since:%H:%M %d/%m}#f"
    assert filled(Request(url), VALUES).url == (
        "https://a.b/x%2Fy/2026-01-05?q=a+b&q=%7e&since=2026-01-05T09:30:00.125%2B02:00&t=07:30%2005%2F01#f"
    )


def test_a_placeholder_in_the_host_is_an_error() -> None:
    for url in ("https://{cursor}/x", "https://a.{cursor:epoch}.b?x=1", "https://{since}@a.b"):
        with pytest.raises(ConfigurationError, match="host"):
            filled(Request(url), VALUES)


@pytest.mark.parametrize("form", ["epoc", "", "%Q", "%", "iso", "%Y\n", "Y-m-d", "%-d"])
def test_an_unknown_format_is_an_error_that_names_the_formats(form: str) -> None:
    text = f"https://a.b/?since={{since:{form}}}"
    with pytest.raises(ConfigurationError, match="unknown format of the placeholder") as error:
        placeholders_in(["{until}", text])
    assert "{since:epoch_ms}" in str(error.value)
    with pytest.raises(ConfigurationError, match="unknown format"):
        filled(Request(text), VALUES)


def test_the_names_of_placeholders_are_found() -> None:
    assert placeholders_in(["{since:%Y}", "x{until}{until:epoch}", "{cursr}"]) == {"since", "until"}
    assert placeholders_in([]) == set()


@pytest.mark.parametrize("name", ["since", "until", "cursor"])
def test_a_placeholder_without_a_value_is_an_error(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{{{name}}} has no value yet"):
        filled(Request(f"https://a.b/?x={{{name}}}"), Values())


def test_a_format_that_the_cursor_cannot_have_is_an_error() -> None:
    local = Values(since=cursor_value("2026-01-05 09:30:00"))
    assert filled(Request("http://a/{since:%Y-%m-%d}?t={since}"), local).url == (
        "http://a/2026-01-05?t=2026-01-05%2009:30:00"
    )
    for form in ("epoch", "%H%z"):
        with pytest.raises(ConfigurationError, match="needs a time with a zone"):
            filled(Request(f"http://a/{{since:{form}}}"), local)
    with pytest.raises(ConfigurationError, match="is a number, and not a time"):
        filled(Request("http://a/{since:epoch}"), Values(since=cursor_value(4711)))


@pytest.mark.parametrize(
    ("text", "lookback", "expected"),
    [
        ("2026-01-05T09:00:00Z", DAY, "2026-01-04T09:00:00Z"),
        ("2026-01-05t09:00:00z", DAY, "2026-01-04t09:00:00z"),
        ("2026-01-05 09:00:00 UTC", DAY, "2026-01-04 09:00:00 UTC"),
        ("2026-01-01T00:10:00.123456789+05:30", timedelta(hours=1), "2025-12-31T23:10:00.123456789+05:30"),
        ("2026-01-05T09:00:00.5-0800", timedelta(milliseconds=600), "2026-01-05T08:59:59.9-0800"),
        ("2026-01-05T09:00:00+02", timedelta(milliseconds=1), "2026-01-05T08:59:59+02"),
        ("2026-01-05 09:00:00", DAY, "2026-01-04 09:00:00"),
        ("2026-01-05", timedelta(hours=1), "2026-01-04"),
        ("2026-12-31T23:59:60Z", timedelta(seconds=1), "2026-12-31T23:59:59Z"),
        ("0001-01-02", 30 * DAY, "0001-01-01"),
        ("1767600000", DAY, "1767513600"),
        ("1767600000.000216", timedelta(seconds=1), "1767599999.000216"),
        ("1767600000123", DAY, "1767513600123"),
        ("1767600000123456", DAY, "1767513600123456"),
        ("1767600000123456789", DAY, "1767513600123456789"),
        ("4711", timedelta(0), "4711"),
    ],
)
def test_an_earlier_value_has_the_same_notation(text: str, lookback: timedelta, expected: str) -> None:
    assert cursor_value(text).minus(lookback).text == expected


def test_a_lookback_from_a_number_that_is_not_a_time_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="4711 is a number, and not a time"):
        cursor_value("4711").minus(DAY)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (1767600000.25, "1767600000.25"),
        (1.5e12, "1500000000000"),
        (Decimal("1E+3"), "1000"),
        (" 2026-01-05 ", "2026-01-05"),
    ],
)
def test_values_of_records_keep_their_text(value: Any, text: str) -> None:
    assert cursor_value(value).text == text


@pytest.mark.parametrize(
    "value",
    [
        "", "abc", None, True, {}, [], b"1", "1e5", "0x1", "١٢", "9" * 31, float("nan"), float("inf"),
        pytest.param(10**5000, id="10^5000"), pytest.param("x" * 10**6, id="long"),
        "2026-02-30", "2026-13-01", "2026-01-05T25:00:00Z", "2026-01-05T09:00:00+24:00", "2026-01-05T09:00",
        "05/01/2026", "0001-01-01T00:00:00+01:00", "2026-01-05T09:00:00ZZ",
    ],
)  # fmt: skip
def test_other_values_are_errors(value: Any) -> None:
    with pytest.raises(SourceError, match="neither a number nor a time") as error:
        cursor_value(value)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("other", ["2026-01-05", "2026-01-05 09:00:00", "2026-01-05T09:00:00Z", "5"])
def test_two_kinds_cannot_be_compared(other: str) -> None:
    values = [cursor_value(text) for text in ("2026-01-05", "2026-01-05 09:00:00", "2026-01-05T09:00:00Z", "5")]
    for value in values:
        if value.kind != cursor_value(other).kind:
            with pytest.raises(SourceError, match="the cursor is a"):
                max(value, cursor_value(other))


zones = st.sampled_from(["Z", "+00:00", "-08:00", "+05:30", "+0200", " UTC"])
times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1))


@few
@given(st.lists(st.tuples(times, zones), min_size=1, max_size=5))
def test_the_largest_time_is_the_latest(moments: list[tuple[datetime, str]]) -> None:
    def written(moment: datetime, zone: str) -> str:
        hours = 0 if zone in {"Z", " UTC"} else int(zone[:3])
        minutes = 30 if zone.endswith("30") else 0
        offset = timezone(timedelta(hours=hours, minutes=minutes))
        return moment.replace(tzinfo=UTC).astimezone(offset).strftime("%Y-%m-%dT%H:%M:%S.%f") + zone

    largest = max(cursor_value(written(*moment)) for moment in moments)
    assert largest.time() == max(moment for moment, _ in moments).replace(tzinfo=UTC)


@few
@given(st.lists(st.integers(-(10**18), 10**18), min_size=1, max_size=5))
def test_the_largest_number_is_exact(numbers: list[int]) -> None:
    assert max(map(cursor_value, numbers)).text == str(max(numbers))


@few
@given(times, zones, st.timedeltas(timedelta(0), timedelta(days=900)))
def test_an_earlier_time_is_exactly_earlier(moment: datetime, zone: str, lookback: timedelta) -> None:
    value = cursor_value(moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + zone)
    earlier = value.minus(lookback)
    assert value.time() - earlier.time() == lookback
    assert earlier.text.endswith(zone)


@few
@given(st.text(max_size=20), times)
def test_a_url_keeps_its_other_parameters(text: str, moment: datetime) -> None:
    url = "https://a.b/p?x=" + json.dumps(text).encode().hex() + "&since={since}"
    since = cursor_value(moment.strftime("%Y-%m-%d %H:%M:%S") + "+02:00")
    result = filled(Request(url), Values(since=since)).url
    assert result.startswith(url.partition("{")[0])
    assert parse_qs(urlsplit(result).query)["since"] == [since.text]


@pytest.mark.parametrize(
    ("value", "is_time", "expected"),
    [("2026-02-01", False, True), (1769904000, True, True), (1769904000, False, False), ("2026-01-01", True, False)],
)
def test_a_number_is_in_the_future_only_if_it_is_an_epoch(value: object, is_time: bool, expected: bool) -> None:
    latest = latest_of(datetime(2026, 1, 1, tzinfo=UTC), [])
    assert is_beyond(cursor_value(value), latest, is_time=is_time) == expected
