"""The secrets of an API: recognised, never shown or stored, and no part of what a source is known by."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.feeds import FEEDS
from advertisex.ingestion.api.secrets import Secrets
from advertisex.ingestion.api.state import api_id
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.auth import ApiKey, Basic, Bearer, ClientCredentials
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.options.paginate import Paginate
from advertisex.ingestion.source_status import load_statuses
from advertisex.ingestion.sources import Url
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.secret_names import is_secret
from tests.budget import examples
from tests.ingestion.conftest import Answer, Asked, Server, messages_in

FEED = FEEDS["impressions"]
SECRET = st.text(min_size=1, max_size=6)


@pytest.mark.parametrize(
    "name",
    [
        "token", "api_key", "apiKey", "APIKey", "apikey", "X-Api-Key", "access_token", "accessToken", "X-Amz-Signature",
        "AWSAccessKeyId", "client_secret", "clientsecret", "Authorization", "Cookie", "sig", "pwd", "userPassword",
        "key2", "pass", "user_pass", "Passwd", "code", "auth_code", "authorizationCode", "accessCode", "session",
        "sessionId", "session_id", "PHPSESSID", "JSESSIONID", "sid", "jwt", "JWT", "bearer", "X-Bearer", "id_token",
        "id-token", "idToken", "assertion", "client_assertion", "otp", "pin", "PIN", "signature", "X-Amz-Credential",
        "X-Amz-Security-Token", "X-Goog-Signature", "auth", "sasl.jaas.config", "ssl.key.password", "SAMLAssertion",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "author", "keyword", "keywords", "signal", "design_id", "monkey", "start_key", "publisher_key", "page_token",
        "pageToken", "next_token", "continuation_token", "pagination_token", "sort_key", "LastEvaluatedKey",
        "X-Account", "user", "monkeys", "", "country_code", "zipCode", "promo_code", "status_code", "session_start",
        "passport", "bypass", "compass", "decode", "encoding", "spin", "pinned", "side", "inside",
    ],
)  # fmt: skip
def test_names_of_other_values(name: str) -> None:
    assert not is_secret(name)


@settings(max_examples=examples(50))
@given(token=SECRET, key=SECRET, word=SECRET, cursor=st.text(max_size=6))
def test_secrets_are_left_out_of_a_url_and_put_back(token: str, key: str, word: str, cursor: str) -> None:
    url = "https://user:{}@host/x?token={}&b=%2B+1&page={}".format(
        *(quote(part, safe="") for part in (word, token, cursor))
    )
    secrets = Secrets(url, ApiOptions(auth=ApiKey("id", key, "query")))
    asked = f"{url}&id={quote(key, safe='')}"
    stored = secrets.without(asked)
    restored = secrets.restored(stored)
    assert parse_qsl(urlsplit(restored).query, True) == parse_qsl(urlsplit(asked).query, True)
    assert unquote(urlsplit(restored).password or "") == word
    shown = [value for name, value in parse_qsl(urlsplit(stored).query, True) if name in ("token", "id")]
    assert all(value.startswith("advertisex-secret:") for value in shown)


def test_a_number_that_is_equal_to_a_secret_stays() -> None:
    secrets = Secrets("https://h/x?token=2&page=2", ApiOptions(headers={"X-Api-Key": "2"}))
    assert secrets.without("https://h/x?token=2&page=2") == "https://h/x?token=advertisex-secret%3Aurl%3Atoken&page=2"


def test_every_spelling_of_a_secret_is_hidden() -> None:
    options = ApiOptions(
        method="POST",
        headers={"Authorization": "Token abcdef", "Accept": "application/json", "X-Version": "2"},
        auth=Basic("me", "hidden"),
        body='{"a": [{"apiKey": "in \\"body"}], "key2": 12345, "at": {since:epoch}, "key": "{cursor}", "sig": null}',
        proxy="http://p:proxied@h",
    )
    found = Secrets("https://u:p%2B@h/x?sig=s&sig=t", options).texts()
    hidden = {
        "Token abcdef",
        "abcdef",
        "hidden",
        "bWU6aGlkZGVu",
        "proxied",
        'in "body',
        "12345",
        "p+",
        "u:p+",
        "s",
        "t",
    }
    assert found == hidden | {b64encode(b"u:p+").decode()}


def test_nothing_of_an_authentication_is_shown_by_its_text() -> None:
    assert "hidden" not in repr(ClientCredentials("https://h/token?key=hidden", "me", "hidden"))


def id_of(url: str = "https://h/x", name: str = "", **api: Any) -> str:
    return api_id(FEED, Url(url), IngestOptions(name=name, api=ApiOptions(**api)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"headers": {"X-Account": "a"}}, {"headers": {"x-account": "b"}}),
        ({"auth": Basic("a", "p")}, {"auth": Basic("b", "p")}),
        ({"url": "https://a:p@h/x"}, {"url": "https://b:p@h/x"}),
        ({"auth": ApiKey("a", "p")}, {"auth": ApiKey("b", "p")}),
        ({"auth": ClientCredentials("https://h/t", "a", "p")}, {"auth": ClientCredentials("https://h/t", "b", "p")}),
        *(({"url": f"https://h/x?{n}=a"}, {"url": f"https://h/x?{n}=b"}) for n in ("author", "keyword", "page_token")),
        ({"method": "POST", "body": '{"a": 1}'}, {"method": "POST", "body": '{"a": 2}'}),
        ({"method": "POST", "body": "keyword=1"}, {"method": "POST", "body": "keyword=2"}),
        ({"name": "a"}, {"name": "b"}),
    ],
)
def test_what_makes_another_source(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert id_of(**one) != id_of(**other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"headers": {"X-Api-Key": "a"}}, {"headers": {"X-Api-Key": "b"}}),
        ({"headers": {"Authorization": "Bearer a"}}, {"auth": Bearer("b")}),
        ({"headers": {"User-Agent": "a"}}, {}),
        ({"auth": Basic("u", "a")}, {"auth": Basic("u", "b")}),
        ({"auth": Basic("a", "")}, {"auth": Basic("b", "")}),
        ({"url": "https://u:a@h/x?token=a"}, {"url": "https://u:b@h/x?token=b"}),
        ({"method": "POST", "body": '{"token": "a", "n": 1}'}, {"method": "POST", "body": '{"token": "b", "n": 1}'}),
        ({"method": "POST", "body": "n=1&token=a"}, {"method": "POST", "body": "n=1&token=b"}),
        ({"proxy": "http://u:a@h"}, {"proxy": "http://u:b@h"}),
    ],
)
def test_what_makes_no_other_source(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert id_of(**one) == id_of(**other)


@pytest.fixture
def accounts(server: Server) -> Server:
    """An API that gives the records of an account page by page, and fails once at the third page."""
    failing = [True]

    def answer(asked: Asked) -> Answer:
        account = asked.headers.get("x-account") or asked.query.get("keyword") or asked.headers.get("x-api-key", "")
        page = int(asked.query.get("cursor", 1))
        if page == 3 and failing and failing.pop():
            return Answer(status=400)
        found = {"data": [{"user_id": f"{account}{page}"}], "next_cursor": str(page + 1) if page < 4 else None}
        return Answer(json.dumps(found).encode())

    server.routes["/x"] = answer
    return server


def read(log: SqliteLog, server: Server, query: str = "", name: str = "", **api: Any) -> tuple[list[str], str]:
    """Return the users of the records that a run appends, and its warnings."""
    before = len(messages_in(log, FEED.topic))
    options = IngestOptions(name=name, api=ApiOptions(**({"attempts": 1} | api)))
    published = ingest(FEED, f"{server.url}/x{query}", log, options, on_failure=lambda error: None)
    warnings = " ".join(text for report in published.inputs.values() for text in report.warnings)
    return [json.loads(message)["user_id"] for message in messages_in(log, FEED.topic)[before:]], warnings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"headers": {"X-Account": "a"}}, {"headers": {"X-Account": "b"}}),
        ({"query": "?keyword=a"}, {"query": "?keyword=b"}),
        ({"name": "one", "auth": ApiKey("X-Api-Key", "a")}, {"name": "two", "auth": ApiKey("X-Api-Key", "b")}),
    ],
)
def test_two_accounts_on_one_url_are_read_from_their_beginning(one, other, accounts, log) -> None:
    assert read(log, accounts, **one)[0] == ["a1", "a2"]
    assert read(log, accounts, **other)[0] == ["b1", "b2", "b3", "b4"]
    assert read(log, accounts, **one)[0] == ["a3", "a4"]


def test_a_new_secret_of_a_named_source_changes_nothing(accounts, log) -> None:
    assert read(log, accounts, name="s", headers={"X-Account": "a"}, auth=Bearer("old"))[0] == ["a1", "a2"]
    users, warnings = read(log, accounts, name="s", headers={"X-Account": "a"}, auth=Bearer("new"))
    assert users == ["a3", "a4"]
    assert "secrets" not in warnings


def test_a_new_secret_of_a_source_without_a_name_is_reported_once(accounts, log) -> None:
    assert read(log, accounts, headers={"X-Api-Key": "a"})[0] == ["a1", "a2"]
    users, warnings = read(log, accounts, headers={"X-Api-Key": "b"})
    assert users == ["b1", "b2", "b3", "b4"]  # not from the page of the other secret on
    assert "the secrets have changed" in warnings
    users, warnings = read(log, accounts, headers={"X-Api-Key": "b"})
    assert users == []
    assert "secrets" not in warnings


ECHO = "no access with s3cr3t+1 and s3cr3t%2B1"


@pytest.mark.parametrize(
    "secret",
    [
        {"query": "?token=s3cr3t%2B1"},
        {"headers": {"X-Api-Key": "s3cr3t+1"}},
        {"headers": {"Authorization": "Bearer s3cr3t+1"}},
        {"headers": {"Cookie": "s3cr3t+1"}},
        {"auth": Basic("u", "s3cr3t+1")},
        {"auth": ApiKey("k", "s3cr3t+1", "query")},
        {"method": "POST", "body": "token=s3cr3t%2B1&n=1"},
        {"method": "POST", "body": '{"token": "s3cr3t+1"}'},
        {"method": "POST", "body": '{"token": "s3cr3t+1", "at": 0}', "paginate": Paginate("cursor", body_param="at")},
    ],
    ids=lambda secret: " ".join(map(str, secret.values()))[:40],
)
@pytest.mark.parametrize("failure", ["status", "document", "redirect", "closed"])
def test_no_failure_shows_or_stores_a_secret(
    secret: dict[str, Any], failure: str, server, log, caplog, tmp_path
) -> None:
    failures = {
        "status": Answer(status=403),
        "document": Answer(json.dumps({"error": ECHO}).encode()),
        "redirect": Answer(status=302, headers={"Location": "http://localhost:1/?a=s3cr3t%2B1"}),
        "closed": Answer(b"", headers={"Content-Length": "9"}),
    }

    def answer(asked: Asked) -> Answer:
        if asked.query.get("cursor") or (b'"2"' in asked.body):
            return failures[failure]
        return Answer(b'{"data": [{"user_id": "u"}], "next_cursor": "2"}')

    server.routes["/x"] = answer
    query, api = secret.get("query", ""), {name: value for name, value in secret.items() if name != "query"}
    options = IngestOptions(api=ApiOptions(**({"attempts": 2, "retry_wait": 0.001, "timeout": 1.0} | api)))
    published = ingest(FEED, f"{server.url}/x{query}", log, options)
    assert published.failures
    assert any(status.last_error for status in load_statuses(log))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    texts = [*map(str, published.failures), caplog.text, repr(load_statuses(log)), repr(published)]
    assert b"s3cr3t" not in written
    assert not any("s3cr3t" in text for text in texts)


@pytest.mark.parametrize("query", ["access_token={}", "q=key%3D{}", "x={}"])
@pytest.mark.parametrize("kind", ["header", "oauth2"])
def test_a_token_in_a_link_of_the_server_is_neither_shown_nor_stored(
    query: str, kind: str, server: Server, log: SqliteLog, tmp_path: Path
) -> None:
    server.routes["/token"] = lambda asked: Answer(b'{"access_token": "T0K3N-OF-SERVER", "expires_in": 3600}')

    def page(asked: Asked) -> Answer:
        link = f"{server.url}/x?{query.format('T0K3N-OF-SERVER')}&after=x"
        if "after" in asked.query:
            return Answer(b"", 503)
        return Answer(json.dumps({"data": [{"user_id": "u"}], "paging": {"next": link}}).encode())

    server.routes["/x"] = page
    oauth2 = ClientCredentials(f"{server.url}/token", "me", "a client secret")
    own = {"auth": oauth2} if kind == "oauth2" else {"headers": {"Authorization": "Bearer T0K3N-OF-SERVER"}}
    options = IngestOptions(api=ApiOptions(**own, attempts=2, retry_wait=0.001))
    first, second = (ingest(FEED, f"{server.url}/x", log, options) for _ in range(2))
    assert (first.messages, second.messages) == (1, 0)
    assert [len(one.failures) for one in (first, second)] == [1, 1]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"T0K3N" not in written
    assert "T0K3N" not in repr((first, second, load_statuses(log)))
    assert not any("T0K3N" in str(error) for error in (*first.failures, *second.failures))
