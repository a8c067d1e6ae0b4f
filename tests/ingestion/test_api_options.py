"""The options of an API are checked before the first request, and no error contains a value."""

from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import ConfigurationError
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.auth import ApiKey, Basic, Bearer, ClientCredentials
from tests.budget import examples

TOKEN_URL = "https://login.example.com/token"
INVALID: list[tuple[dict[str, Any], str, str]] = [
    ({"headers": {"X-Key": "hidden\n"}}, "api.headers.X-Key", "line end"),
    ({"headers": {"X-Key": "hid\r\nden"}}, "api.headers.X-Key", "line end"),
    ({"headers": {"X-Key": "hidden\x00"}}, "api.headers.X-Key", "control character"),
    ({"headers": {"X-Key": "hidden "}}, "api.headers.X-Key", "blank"),
    ({"headers": {"X-Key": "hiddén"}}, "api.headers.X-Key", "outside ASCII"),
    ({"headers": {"Authorization: Bearer hidden": ""}}, "api.headers.Authorization", "name of a header"),
    ({"headers": {"": "hidden"}}, "api.headers", "name of a header"),
    ({"headers": {"X-Key": "hidden", "x-key": "hidden"}}, "api.headers.x-key", "twice"),
    ({"headers": {"Content-Length": "1"}}, "api.headers.Content-Length", "cannot be set"),
    ({"headers": {"authorization": "hidden"}, "auth": Bearer("hidden")}, "api.headers.Authorization", "too"),
    ({"headers": {"x-key": "hidden"}, "auth": ApiKey("X-Key", "hidden")}, "api.headers.X-Key", "too"),
    ({"auth": Bearer("hidden\n")}, "api.auth.token", "line end"),
    ({"auth": Bearer("")}, "api.auth.token", "empty"),
    ({"auth": Bearer("Bearer hidden")}, "api.auth.token", "word Bearer"),
    ({"auth": Basic("us\ner", "hidden")}, "api.auth.user", "line end"),
    ({"auth": Basic("me:hidden", "hidden")}, "api.auth.user", "colon"),
    ({"auth": Basic("me", "hidden\r\n")}, "api.auth.password", "line end"),
    ({"auth": ApiKey("X Key", "hidden")}, "api.auth.name", "name of a header"),
    ({"auth": ApiKey("key", "hid\nden", "query")}, "api.auth.value", "line end"),
    ({"auth": ApiKey("key", "hidden", "cookie")}, "api.auth.location", "unknown location"),
    ({"auth": ClientCredentials("login", "id", "hidden")}, "api.auth.token_url", "not a valid URL"),
    ({"auth": ClientCredentials(TOKEN_URL, "id", "hidden\n")}, "api.auth.client_secret", "line end"),
    ({"auth": ClientCredentials(TOKEN_URL, "", "hidden")}, "api.auth.client_id", "empty"),
    ({"auth": ClientCredentials(TOKEN_URL, "i", "hidden", extra={"scope": "x"})}, "api.auth.extra.scope", "the grant"),
    ({"auth": ClientCredentials(TOKEN_URL, "i", "hidden", client_auth="header")}, "api.auth.client_auth", "unknown"),
    ({"body": "hidden"}, "api.body", "no body"),
    ({"method": "PUT"}, "api.method", "unknown method"),
    ({"proxy": "socks5://me:hidden@proxy"}, "api.proxy", "not a valid URL"),
    ({"proxy": "http://me:hidden@proxy:port"}, "api.proxy", "not a valid URL"),
    ({"proxy": "http://"}, "api.proxy", "not a valid URL"),
    ({"requests_per_second": 0}, "api.requests_per_second", "not a valid rate"),
    ({"requests_per_second": -1.0}, "api.requests_per_second", "not a valid rate"),
    ({"requests_per_second": float("nan")}, "api.requests_per_second", "not a valid rate"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "setting", "message"), INVALID)
def test_an_invalid_option_is_named_and_not_shown(options: dict[str, Any], setting: str, message: str) -> None:
    api = ApiOptions(**options)
    with pytest.raises(ConfigurationError, match=message) as raised:
        api.check()
    assert raised.value.where == setting
    for text in (str(raised.value), repr(api)):
        assert "hid" not in text


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Key": "a b", "Accept": "", "x_y.z": "~"}, "auth": Bearer("t-._~+/=")},
        {"auth": Basic("me", ""), "method": "POST", "body": '{"a":\n1}'},
        {"auth": ApiKey("key", "ö &=", "query"), "headers": {"key": "other"}},
        {"auth": ClientCredentials(TOKEN_URL, "id", "s€cret", "a b", {"audience": "x"}, "basic"), "method": "POST"},
        {"proxy": "http://me:secret@localhost:3128", "requests_per_second": 0.1},
    ],
)
def test_valid_options(options: dict[str, Any]) -> None:
    ApiOptions(**options).check()


@settings(max_examples=examples(50))
@given(st.text(), st.text(min_size=1))
def test_any_header_is_sent_or_rejected(name: str, value: str) -> None:
    options = ApiOptions(headers={name: value})
    if f"{name}: {value}".isascii() and name.replace("-", "").isalnum() and value.isalnum():
        options.check()
    elif "\n" in value or not name or not value.isascii():
        with pytest.raises(ConfigurationError):
            options.check()


def test_a_file_of_authorities_is_read_at_the_start(tmp_path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ApiOptions(ca_file=tmp_path / "ca.pem").check()
    (tmp_path / "empty.pem").write_text("hidden")
    for name, message in (("empty.pem", "no valid certificate"), ("none.pem", "could not read"), ("", "could not")):
        with pytest.raises(ConfigurationError, match=message) as raised:
            ApiOptions(ca_file=tmp_path / name).check()
        assert raised.value.where == "api.ca_file"
