"""How requests travel: bodies, proxies, certificates, redirects, and connections that fail."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from advertisex.errors import ConfigurationError, SourceError, SourceUnavailable
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.api import ApiOptions
from tests.ingestion.conftest import connection_of

ENVIRONMENT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Proxy:
    """A real proxy: it forwards http requests, and opens tunnels with CONNECT. With `login`, it wants that header."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.login = ""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self._admitted():
                    answer = httpx.get(self.path, trust_env=False)
                    self.send_response(answer.status_code)
                    self.send_header("Content-Length", str(len(answer.content)))
                    self.end_headers()
                    self.wfile.write(answer.content)

            def do_CONNECT(self) -> None:
                if self._admitted():
                    host, _, port = self.path.partition(":")
                    with socket.create_connection((host, int(port))) as there:
                        self.send_response(200)
                        self.end_headers()
                        back = threading.Thread(target=_copy, args=(there, self.connection))
                        back.start()
                        _copy(self.connection, there)
                        back.join()

            def _admitted(self) -> bool:
                proxy.asked.append((self.command, self.path))
                if proxy.login and self.headers.get("Proxy-Authorization") != proxy.login:
                    self.send_response(407)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return False
                return True

            def log_message(self, *args: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def ca_file(authority, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def send(url: str, request: dict[str, Any] | None = None, **options: Any) -> Response:
    with connection_of(ApiOptions(**{"timeout": 5.0, **options})) as connection:
        return connection.send(Request(url, **(request or {})), retry=False)


@pytest.mark.parametrize(
    ("body", "headers", "content_type"),
    [
        (b'{"query":"{a}"}', {}, "application/json"),
        (b'{"query":"{a}"}', {"content-type": "application/graphql+json"}, "application/graphql+json"),
        (b"a=1&b=2", {}, None),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, "application/x-www-form-urlencoded"),
        (None, {}, None),
    ],
)
def test_a_post(server, answer, body: bytes | None, headers: dict[str, str], content_type: str | None) -> None:
    server.answers = [answer()]
    send(server.url, {"method": "POST", "body": body}, headers=headers)
    (asked,) = server.asked
    assert (asked.method, asked.body) == ("POST", body or b"")
    assert asked.headers.get("content-type") == content_type


def test_an_ingest_by_post(server, answer, ingested, asked) -> None:
    server.routes["/report"] = lambda asked: answer(json.dumps([json.loads(asked.body)]).encode())
    seen = ingested("clicks", f"{server.url}/report", api=ApiOptions("POST", '{"from":"2026-01-01"}'))
    assert seen.messages == [b'{"from": "2026-01-01"}']


def test_a_connection_is_used_again(server, answer) -> None:
    server.answers = [answer()]
    with connection_of(ApiOptions()) as connection:
        for _ in range(3):
            connection.send(Request(server.url), retry=False)
    assert len({asked.port for asked in server.asked}) == 1


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body(server, answer, status: int) -> None:
    server.answers = [answer(status=status, headers={"ETag": '"2"'})]
    response = send(server.url, {"headers": {"If-None-Match": '"2"'}})
    assert (response.status, response.body, response.headers["etag"]) == (status, b"", '"2"')
    assert server.asked[0].headers["if-none-match"] == '"2"'


@pytest.mark.parametrize("cut", [{"cut": 5}, {"cut": 1, "chunked": True}])
@pytest.mark.parametrize("body", [b'[{"a":1}]', b""])
def test_a_body_that_is_cut(server, answer, cut: dict[str, Any], body: bytes) -> None:
    server.answers = [answer(body, **cut)]
    with pytest.raises(SourceUnavailable, match="truncated"):
        send(server.url)


def test_a_server_that_does_not_answer() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(SourceUnavailable, match="timed out") as raised,
    ):
        send(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
    assert "--timeout" in raised.value.hint
    assert "api.timeout" in raised.value.hint


@pytest.mark.parametrize("options", [{"proxy": True}, {}])
def test_a_proxy_for_http(server, answer, proxy, monkeypatch, options: dict[str, Any]) -> None:
    server.answers = [answer(b'[{"a":1}]')]
    monkeypatch.setenv("HTTP_PROXY", proxy.url if not options else "http://127.0.0.1:1")
    assert send(f"{server.url}/v1", **dict.fromkeys(options, proxy.url)).body == b'[{"a":1}]'
    assert proxy.asked == [("GET", f"{server.url}/v1")]


@pytest.mark.parametrize("options", [{"proxy": True}, {}])
def test_a_tunnel_through_a_proxy(tls_server, answer, proxy, ca_file, monkeypatch, options: dict[str, Any]) -> None:
    tls_server.answers = [answer(b'[{"a":1}]')]
    monkeypatch.setenv("HTTPS_PROXY", proxy.url if not options else "http://127.0.0.1:1")
    response = send(f"{tls_server.url}/v1", ca_file=ca_file, **dict.fromkeys(options, proxy.url))
    assert response.body == b'[{"a":1}]'
    assert proxy.asked == [("CONNECT", urlsplit(tls_server.url).netloc)]


def test_no_proxy_for_a_host(server, answer, monkeypatch) -> None:
    server.answers = [answer()]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with pytest.raises(SourceUnavailable, match="check the proxy"):
        send(server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    send(server.url)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_with_a_login(request, answer, proxy, ca_file, scheme: str) -> None:
    server = request.getfixturevalue("server" if scheme == "http" else "tls_server")
    server.answers = [answer()]
    proxy.login = "Basic bWU6aGlkZGVu"
    with pytest.raises(SourceError, match=r"the proxy returned status 407.*a user and a password|the user and"):
        send(server.url, proxy=proxy.url, ca_file=ca_file)
    send(server.url, proxy=proxy.url.replace("://", "://me:hidden@"), ca_file=ca_file)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("url", ["socks5://me:hidden@h:1", "http://me:hidden@h:port", "ftp://hidden"])
def test_an_invalid_proxy_in_the_environment_is_named(monkeypatch, name: str, url: str) -> None:
    monkeypatch.setenv(name, url)
    with pytest.raises(ConfigurationError, match="not a valid URL") as raised:
        send("http://127.0.0.1:1")
    assert raised.value.where == name
    assert "hidden" not in str(raised.value)


def test_an_unknown_authority_is_reported(tls_server, answer) -> None:
    tls_server.answers = [answer()]
    with pytest.raises(SourceUnavailable, match="its certificate is of an unknown authority") as raised:
        send(tls_server.url)
    assert "api.ca_file" in raised.value.hint


@pytest.mark.parametrize("by", ["setting", "environment"])
def test_an_authority_of_ones_own(tls_server, answer, ca_file, monkeypatch, by: str) -> None:
    tls_server.answers = [answer()]
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file if by == "environment" else ca_file.parent / "none.pem"))
    send(tls_server.url, ca_file=ca_file if by == "setting" else None)


def test_a_missing_file_of_authorities_in_the_environment_is_named(monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/none.pem")
    with pytest.raises(ConfigurationError, match=r"could not read /none\.pem") as raised:
        send("http://127.0.0.1:1")
    assert raised.value.where == "SSL_CERT_FILE"


def test_a_redirect_from_https_to_http_is_an_error(tls_server, server, answer, ca_file) -> None:
    tls_server.answers = [answer(status=302, headers={"Location": f"{server.url}/there?token=hidden"})]
    with pytest.raises(SourceError, match="not encrypted") as raised:
        send(tls_server.url, ca_file=ca_file, headers={"X-Key": "hidden"})
    assert "hidden" not in str(raised.value)
    assert server.asked == []


def test_a_redirect_from_http_to_https(tls_server, server, answer, ca_file) -> None:
    server.answers = [answer(status=302, headers={"Location": f"{tls_server.url}/there"})]
    tls_server.answers = [answer(b'[{"a":1}]')]
    assert send(server.url, ca_file=ca_file).url == f"{tls_server.url}/there"


@pytest.mark.parametrize("there", ["status", "closed port"])
def test_a_failure_behind_a_redirect_names_its_target(there, server, other_server, answer) -> None:
    target = other_server.url if there == "status" else "http://127.0.0.1:1"
    server.answers = [answer(status=302, headers={"Location": f"{target}/there?token=hidden"})]
    other_server.answers = [answer(status=404)]

    with pytest.raises(SourceError) as raised:
        send(f"{server.url}/here")

    assert raised.value.where == f"{target}/there?token=***, to which {server.url}/here redirects"


def test_a_certificate_for_another_name(tls_server, answer, ca_file) -> None:
    tls_server.answers = [answer()]
    with pytest.raises(SourceUnavailable, match="its certificate is for another host name"):
        send(tls_server.url.replace("127.0.0.1", "localhost"), ca_file=ca_file)


def test_a_server_without_tls(server, answer) -> None:
    server.answers = [answer()]
    with pytest.raises(SourceUnavailable, match="no encrypted connection is possible"):
        send(server.url.replace("http://", "https://"))


def test_a_refused_connection_names_no_proxy(free_port: int) -> None:
    with pytest.raises(SourceUnavailable, match="could not connect: connection refused") as raised:
        send(f"http://127.0.0.1:{free_port}")
    assert "proxy" not in str(raised.value)
