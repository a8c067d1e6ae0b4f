"""Authentication: what is sent, to whom, and that no error shows it."""

import base64
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from advertisex.errors import ConfigurationError, SourceError, SourceUnavailable
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.auth import ApiKey, Auth, Basic, Bearer, ClientCredentials
from tests.ingestion.conftest import connection_of

SECRETS = ("hidden", base64.b64encode(b"me:hidden").decode(), "token-1", "token-2")
AUTHS: list[Auth] = [Bearer("hidden"), Basic("me", "hidden"), ApiKey("X-Id", "hidden"), ApiKey("id", "hidden", "query")]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def token_server(server, answer) -> Any:
    """Gives out token-1, token-2, …; `answers` are those of the API."""
    server.lifetime, server.tokens = 3600, 0

    def token(asked: Any) -> Any:
        server.tokens += 1
        document = {"access_token": f"token-{server.tokens}", "token_type": "bearer", "expires_in": server.lifetime}
        return answer(json.dumps(document).encode())

    server.routes["/token"] = token
    server.answers = [answer()]
    return server


def grant(server: Any, **parts: Any) -> ClientCredentials:
    return ClientCredentials(f"{server.url}/token", "me", "hidden", **parts)


def send(url: str, auth: Auth, **parts: Any) -> Response:
    options = ApiOptions(auth=auth)
    options.check()
    with connection_of(options) as connection:
        return connection.send(Request(url, **parts), retry=False)


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (Bearer("hidden"), "authorization", "Bearer hidden"),
        (Basic("me", "hidden"), "authorization", f"Basic {SECRETS[1]}"),
        (ApiKey("X-Id", "hidden"), "x-id", "hidden"),
    ],
)
def test_authentication_in_a_header(server, answer, auth: Auth, name: str, value: str) -> None:
    server.answers = [answer()]
    send(server.url, auth)
    assert server.asked[0].headers[name] == value


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", "?id=a+%26%C3%B6"),
        ("?since=2026-01-01T00:00:00%2B01:00&x=%41&x=b", "?since=2026-01-01T00:00:00%2B01:00&x=%41&x=b&id=a+%26%C3%B6"),
        ("?id=old&x=1&%69d=older", "?x=1&id=a+%26%C3%B6"),
    ],
)
def test_a_key_in_the_url_leaves_the_rest_as_it_is(server, answer, query: str, sent: str) -> None:
    server.answers = [answer()]
    response = send(f"{server.url}/v1{query}", ApiKey("id", "a &ö", "query"))
    assert server.asked[0].path == f"/v1{sent}"
    assert response.url == f"{server.url}/v1{query.replace('id=old&', '').replace('&%69d=older', '')}"


@pytest.mark.parametrize("auth", AUTHS)
def test_no_failure_shows_the_secret(server, answer, caplog, auth: Auth) -> None:
    caplog.set_level(logging.INFO)
    echo = json.dumps({"error": f"{' and '.join(auth.secrets())} are not valid"}).encode()
    away = {"Location": "https://localhost:1/?id=hidden&x=1"}
    for response in (answer(status=401), answer(status=503), answer(echo), answer(status=302, headers=away)):
        server.answers = [response]
        with pytest.raises(SourceError) as raised:
            send(f"{server.url}/v1", auth)
        for text in (shown(raised.value), caplog.text, repr(auth)):
            assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_host_gets_no_secret(server, other_server, answer, auth: Auth, status: int) -> None:
    server.answers = [answer(status=status, headers={"Location": f"{other_server.url}/there"})]
    other_server.answers = [answer(status=status, headers={"Location": f"{server.url}/back"})]
    server.routes["/back"] = lambda asked: answer()
    options = ApiOptions(auth=auth, headers={"X-Secret": "hidden", "Cookie": "a=hidden", "Accept": "text/csv"})
    with connection_of(options) as connection:
        connection.send(Request(f"{server.url}/v1", headers={"X-Own": "hidden", "If-None-Match": "e"}), retry=False)
    first, last = server.asked
    assert "hidden" in str(first) or SECRETS[1] in str(first)
    for asked in (*other_server.asked, last):
        assert not [secret for secret in SECRETS if secret in str(asked)]
        assert asked.headers["accept"] == "text/csv"
        assert asked.headers["if-none-match"] == "e"


@pytest.mark.parametrize("auth", AUTHS)
def test_the_same_host_gets_it_again(server, answer, auth: Auth) -> None:
    server.answers = [answer(status=302, headers={"Location": "/there?x=1"}), answer()]
    send(f"{server.url}/v1", auth)
    here, there = (json.dumps(asked.headers) + asked.path for asked in server.asked)
    assert [secret for secret in SECRETS if secret in here] == [secret for secret in SECRETS if secret in there] != []


def test_a_post_is_not_redirected_to_another_host(server, other_server, answer) -> None:
    server.answers = [answer(status=307, headers={"Location": other_server.url})]
    with pytest.raises(SourceError, match="redirects a POST to another host"):
        send(server.url, Bearer("hidden"), method="POST", body=b'{"key":"hidden"}')
    assert other_server.asked == []


def test_a_password_in_the_url_excludes_another_authentication(server, answer) -> None:
    server.answers = [answer()]
    url = server.url.replace("://", "://me:hidden@")
    send(url, None)  # type: ignore[arg-type]
    assert server.asked[0].headers["authorization"] == f"Basic {SECRETS[1]}"
    with pytest.raises(ConfigurationError, match="beside another authentication"):
        send(url, Bearer("x"))


@pytest.mark.parametrize("client_auth", ["body", "basic"])
def test_a_token_is_fetched_once(token_server, client_auth: Any) -> None:
    auth = grant(token_server, scope="read:ads all", extra={"audience": "x"}, client_auth=client_auth)
    with connection_of(ApiOptions(auth=auth)) as connection:
        for _ in range(3):
            connection.send(Request(f"{token_server.url}/v1"), retry=False)
    token, *asked = token_server.asked
    assert [one.headers["authorization"] for one in asked] == ["Bearer token-1"] * 3
    fields = {name: values[0] for name, values in parse_qs(token.body.decode()).items()}
    expected = {"grant_type": "client_credentials", "scope": "read:ads all", "audience": "x"}
    if client_auth == "body":
        expected |= {"client_id": "me", "client_secret": "hidden"}
    assert fields == expected
    assert token.headers.get("authorization") == (f"Basic {SECRETS[1]}" if client_auth == "basic" else None)


def test_a_token_is_renewed_shortly_before_it_expires(token_server) -> None:
    clock = Clock()
    with connection_of(ApiOptions(auth=grant(token_server)), clock=clock) as connection:
        for now, number in ((0, 1), (3539, 1), (3541, 2), (3600 + 3480, 2), (3600 + 3600, 3)):
            clock.now = float(now)
            connection.send(Request(f"{token_server.url}/v1"), retry=False)
            assert token_server.asked[-1].headers["authorization"] == f"Bearer token-{number}"


def test_a_rejected_token_is_renewed_once(token_server, answer) -> None:
    with connection_of(ApiOptions(auth=grant(token_server))) as connection:
        connection.send(Request(f"{token_server.url}/v1"), retry=False)
        token_server.answers = [answer(status=401), answer()]
        assert connection.send(Request(f"{token_server.url}/v1"), retry=False).status == 200
        assert token_server.tokens == 2
        token_server.answers = [answer(status=401)]
        with pytest.raises(SourceError, match=r"status 401 .*credentials"):
            connection.send(Request(f"{token_server.url}/v1"), retry=True)
        assert token_server.tokens == 3


def test_a_new_token_that_is_rejected_is_not_renewed(token_server, answer) -> None:
    token_server.answers = [answer(status=401)]
    with pytest.raises(SourceError, match="status 401") as raised:
        send(f"{token_server.url}/v1", grant(token_server))
    assert token_server.tokens == 1
    assert "token-1" not in shown(raised.value)


DENIED = b'{"error":"invalid_client","error_description":"the secret hidden is wrong"}'
FAILURES: list[tuple[dict[str, Any], type[SourceError], str]] = [
    ({"status": 401, "body": DENIED}, SourceError, r"status 401 Unauthorized: .*the secret \*\*\* is wrong"),
    ({"status": 400, "body": b"hidden"}, SourceError, 'client_auth = "basic"'),
    ({"status": 404}, SourceError, "check api.auth.token_url"),
    ({"status": 503}, SourceUnavailable, "status 503"),
    ({"status": 429, "headers": {"Retry-After": "9"}}, SourceUnavailable, "status 429"),
    ({"status": 302, "headers": {"Location": "/token2?x=hidden"}}, SourceError, "status 302"),
    ({"body": b"<html>hidden"}, SourceError, "not a JSON object with an access_token"),
    ({"body": b'{"access_token":"hid\\nden"}'}, SourceError, "not a JSON object with an access_token"),
    ({"body": b'{"access_token":""}'}, SourceError, "not a JSON object with an access_token"),
    ({"body": b'{"access_token":"hidden","token_type":"mac"}'}, SourceError, "another type"),
    ({"body": b'{"access_token":"hidden"}' + b" " * 2**22}, SourceError, "not a JSON object"),
    ({"body": b"{}", "cut": 9}, SourceUnavailable, "no token: the response was truncated"),
]  # fmt: skip


@pytest.mark.parametrize(("response", "kind", "message"), FAILURES)
def test_a_failure_of_the_token_endpoint(
    token_server, answer, response: dict[str, Any], kind: type[SourceError], message: str
) -> None:
    token_server.routes["/token"] = lambda asked: answer(**response)
    with pytest.raises(kind, match=message) as raised:
        send(f"{token_server.url}/v1", grant(token_server))
    assert raised.type is kind
    assert raised.value.where == f"{token_server.url}/token"
    assert "hidden" not in shown(raised.value)
    assert len(token_server.asked) == 1
    assert getattr(raised.value, "retry_after", None) == ({"429": 9.0}.get(str(response.get("status"))))


@pytest.mark.parametrize("lifetime", ["60", 1e300, -5, None])
def test_any_lifetime_of_a_token(token_server, lifetime: Any) -> None:
    token_server.lifetime = lifetime
    for _ in range(2):
        send(f"{token_server.url}/v1", grant(token_server))


def test_an_ingest_with_a_token(token_server, answer, ingested: Callable[..., Any]) -> None:
    token_server.answers = [answer(b'[{"a":1}]')]
    seen = ingested("impressions", f"{token_server.url}/v1", api=ApiOptions(auth=grant(token_server)))
    assert seen.messages == [b'{"a":1}']
