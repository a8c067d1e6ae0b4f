import itertools
import json
import re
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event
from typing import Any

import pytest

from advertisex.errors import ConfigurationError, SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from tests.ingestion.conftest import connection_of

SOON: dict[str, Any] = {"api": ApiOptions(retry_wait=0.01, timeout=5.0, attempts=3)}


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b'[{"a":1},{"a":2}]', {}, [b'{"a":1}', b'{"a":2}']),
        (b'{"user_id":"u"}', {}, [b'{"user_id":"u"}']),
        (b'{"a":1}\n{"a":2}\n', {}, [b'{"a":1}', b'{"a":2}']),
        (b'{"data":[{"user_id":1}],"page":2}', {}, [b'{"user_id":1}']),
        (b"user_id,b\n1,2\n", {"Content-Type": "text/csv"}, [b'{"user_id":"1","b":"2"}']),
        (b"", {}, []),
    ],
)
def test_every_kind_of_response(server, answer, ingested, body: bytes, headers: Any, expected: list[bytes]) -> None:
    server.answers = [answer(body, headers=headers)]
    assert ingested("impressions", server.url).messages == expected


@pytest.mark.parametrize(
    ("content_type", "text", "encoded_as"),
    [
        ("application/json; charset=ISO-8859-1", '[{"user_id":"Köln"}]', "latin-1"),
        ("application/json;charset=windows-1252", '[{"user_id":"Köln €"}]', "cp1252"),
        ('application/x-ndjson; charset="shift_jis"', '{"user_id":"東京"}\n', "shift_jis"),
        ("application/json; charset=utf-8", '[{"user_id":"Köln"}]', "utf-8"),
        ("application/json", '[{"user_id":"Köln"}]', "utf-8"),
        ("application/json; charset=latin-1", '[{"user_id":"Köln"}]', "utf-8-sig"),
        ("text/csv; charset=latin-1", "user_id\nKöln\n", "utf-16"),
        ("text/csv; charset=windows-1252", "user_id\nKöln €\n", "cp1252"),
        ("text/csv; charset=utf-16le", "user_id\n東京\n", "utf-16-le"),
    ],
)
def test_the_declared_charset_is_used_unless_the_text_shows_another(
    server, answer, ingested, content_type: str, text: str, encoded_as: str
) -> None:
    server.answers = [answer(text.encode(encoded_as), headers={"Content-Type": content_type})]
    (message,) = ingested("impressions", server.url).messages
    assert json.loads(message) == {"user_id": re.search("Köln ?€?|東京", text)[0]}


def test_the_encoding_of_the_user_wins_over_the_declared_charset(server, answer, ingested) -> None:
    server.answers = [answer('{"a":"Köln"}'.encode("cp1252"), headers={"Content-Type": "text/plain; charset=utf-8"})]
    (message,) = ingested("impressions", server.url, dialect=CsvDialect(encoding="cp1252")).messages
    assert json.loads(message) == {"a": "Köln"}


@pytest.mark.parametrize("charset", ["utf8mb4", "base64"])
def test_an_unknown_charset_is_an_error_with_a_hint(server, answer, ingested, charset: str) -> None:
    server.answers = [answer(b"a,b\n1,2\n", headers={"Content-Type": f"text/csv; charset={charset}"})]
    (failure,) = ingested("impressions", server.url, **SOON).failures
    assert f"unknown charset '{charset}' in the Content-Type" in str(failure)
    assert "--encoding" in str(failure)


@pytest.mark.parametrize(
    ("path", "content_type", "expected"),
    [
        ("/x", "text/csv", b'{"user_id":"1","b":"2"}'),
        ("/x.json", "text/csv; charset=utf-8; header=present", b'{"user_id":"1","b":"2"}'),
        ("/x.csv?page=2", "application/octet-stream", b'{"user_id":"1","b":"2"}'),
        ("/x.csv.gz", "", b'{"user_id":"1","b":"2"}'),
        ("/x", "text/tab-separated-values", b'{"user_id":"1","b":"2"}'),
    ],
)
def test_the_format_of_a_response(server, answer, ingested, path: str, content_type: str, expected: bytes) -> None:
    body = b"user_id,b\n1,2\n" if "tab" not in content_type else b"user_id\tb\n1\t2\n"
    server.answers = [answer(body, headers={"Content-Type": content_type})]
    assert ingested("impressions", server.url + path).messages == [expected]


def test_headers_are_sent_and_the_array_is_selected(server, answer, ingested) -> None:
    server.answers = [answer(b'{"x":[{"a":1}],"y":[{"b":1}]}')]
    seen = ingested("impressions", server.url + "/v1?since=1", records="y", api=ApiOptions(headers={"X-Api-Key": "k"}))
    assert seen.messages == [b'{"b":1}']
    assert server.asked[0][0] == "/v1?since=1"
    assert server.asked[0][1]["x-api-key"] == "k"


def test_a_transient_failure_is_retried(server, answer, ingested) -> None:
    later = format_datetime(datetime.now(UTC) - timedelta(seconds=1), usegmt=True)
    server.answers = [
        answer(status=503, headers={"Retry-After": "0"}),
        answer(status=429, headers={"Retry-After": later}),
        answer(b'[{"a":1}]', cut=5),
        answer(b"<html>busy</html>"),
        answer(b'[{"a":1}]'),
    ]
    seen = ingested("impressions", server.url, api=replace(SOON["api"], attempts=5))
    assert seen.messages == [b'{"a":1}']
    assert len(server.asked) == 5
    assert not seen.failures


@pytest.mark.parametrize(
    ("response", "message", "requests"),
    [
        ({"status": 503}, "status 503 Service Unavailable", 3),
        ({"status": 500}, "status 500", 3),
        ({"body": b'[{"a":1}]', "cut": 5}, "truncated", 3),
        ({"body": b"<!doctype html>"}, "HTML page instead of records .status 200.", 3),
        ({"body": b"", "headers": {"Content-Type": "text/html"}}, "HTML page", 3),
        ({"status": 404}, "status 404 Not Found", 1),
        ({"status": 401}, "status 401 .*credentials", 1),
        ({"status": 503, "headers": {"Retry-After": "86400"}}, "retry after 86400 s", 1),
    ],
)
def test_a_failure_names_the_url_and_the_status(
    server, answer, ingested, response, message: str, requests: int
) -> None:
    server.answers = [answer(**response)]
    url = server.url.replace("http://", "http://me:hidden@") + "/feed?token=hidden&page=2"
    seen = ingested("impressions", url, **SOON)
    (failure,) = seen.failures
    assert seen.published.failures == (failure,)
    assert re.search(message, str(failure))
    assert f"{server.url}/feed?token=***&page=2" in str(failure)
    assert "hidden" not in str(failure)
    assert "hidden" not in str(seen.published)
    assert len(server.asked) == requests
    assert seen.messages == []


def test_a_refused_connection(ingested) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    seen = ingested("impressions", f"http://127.0.0.1:{port}", **SOON)
    assert "could not connect" in str(seen.failures[0])


def test_a_response_that_never_ends_is_abandoned(server, answer, ingested) -> None:
    server.answers = [answer(b"[", drips=True)]
    seen = ingested("impressions", server.url, api=ApiOptions(retry_wait=0.01, timeout=0.05, attempts=1))
    assert "was not complete within" in str(seen.failures[0]) or "timed out" in str(seen.failures[0])


def test_a_body_that_is_too_large_is_rejected(server, answer) -> None:
    server.answers = [answer(b'["' + b"x" * 200 + b'"]')]
    with (
        connection_of(ApiOptions(), body_bytes=100) as connection,
        pytest.raises(SourceError, match="the response body is larger"),
    ):
        connection.send(Request(server.url), retry=True)


def test_redirects_to_another_host_drop_the_headers(server, answer, ingested) -> None:
    elsewhere = server.url.replace("127.0.0.1", "localhost") + "/there"
    server.answers = [answer(status=302, headers={"Location": elsewhere}), answer(b'[{"a":1}]')]
    seen = ingested("impressions", server.url, api=ApiOptions(headers={"X-Api-Key": "k"}))
    assert seen.messages == [b'{"a":1}']
    assert [asked.path for asked in server.asked] == ["/", "/there"]
    assert "x-api-key" not in server.asked[1][1]


def test_endless_redirects_are_an_error(server, answer, ingested) -> None:
    server.answers = [answer(status=302, headers={"Location": "/again"})]
    assert "more than 10 redirects" in str(ingested("impressions", server.url, **SOON).failures[0])


def test_following_survives_every_failure(server, answer, log) -> None:
    server.answers = [
        answer(b'[{"a":1}]'),
        answer(status=500),
        answer(status=500),
        answer(status=404),
        answer(b"<html>"),
        answer(b'[{"a":1}]', cut=9),
        answer(b'[{"a":2}]'),
        answer(b'[{"a":3}]'),
    ]
    failures: list[str] = []

    def stop(messages: int, size: int) -> None:
        if messages == 3:
            raise KeyboardInterrupt

    options = IngestOptions(follow=True, every=0.01, api=ApiOptions(retry_wait=0.01))
    published = ingest(
        FEEDS["impressions"], [server.url], log, options, stop, on_failure=lambda e: failures.append(e.what)
    )
    assert published.interrupted
    assert published.messages == 3
    assert log.read("ad_impressions", 0, 0, 10).payloads == [b'{"a":1}', b'{"a":2}', b'{"a":3}']
    # the second 500 is not reported again
    assert [what.partition(" status ")[0] for what in failures[:2]] == ["the server returned"] * 2
    assert len(failures) == 4
    assert all(first != second for first, second in itertools.pairwise(failures))


@pytest.mark.parametrize("url", ["http://h:port/x", "http://", "http://[x/y", "http://u:p[w@h/"])
def test_an_invalid_url_is_a_configuration_error(ingested, url: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid URL: "):
        ingested("impressions", url)


@pytest.mark.parametrize("location", ["ftp://x/", "mailto:a", "http://xn--a/"])
def test_an_invalid_redirect_is_a_source_error_and_other_sources_go_on(
    location: str, server, answer, ingested, tmp_path
) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"1\n")
    server.answers = [answer(status=302, headers={"Location": location})]
    seen = ingested("impressions", server.url, tmp_path / "a.ndjson", **SOON)
    assert seen.messages == [b"1"]
    assert "redirects to an invalid URL" in str(seen.failures[0])


HOSTILE = [
    "99999999999", "9" * 400, "1000000", "Mon, 01 Jan 9999 00:00:00 GMT", f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT",
]  # fmt: skip


@pytest.mark.parametrize("wait", HOSTILE)
def test_a_hostile_retry_after_neither_stops_nor_crashes_following(wait: str, server, answer, log) -> None:
    slept: list[float] = []

    class Sleepless(Event):
        def wait(self, timeout: float | None = None) -> bool:
            slept.append(timeout or 0.0)
            return False

    server.answers = [answer(status=503, headers={"Retry-After": wait}), answer(b'[{"a":1}]')]

    def stop(messages: int, size: int) -> None:
        raise KeyboardInterrupt

    options = IngestOptions(follow=True, every=0.01, api=ApiOptions(retry_wait=0.01))
    published = ingest(FEEDS["impressions"], [server.url], log, options, stop, lambda error: None, Sleepless())
    assert published.messages == 1
    assert max(slept) <= 600
