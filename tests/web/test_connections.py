"""Connections: clients that send slowly, without end, or several requests at once."""

import socket
from contextlib import suppress

import httpx
import pytest

from advertisex.web import connections
from advertisex.web.connections import LONGEST_HEADERS
from advertisex.web.site import Site
from tests.web.conftest import client_of


def test_a_client_that_sends_no_whole_request_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.2)
    with client_of(site) as client:
        place = (client.base_url.host, client.base_url.port)
        for begun in (b"", b"GET / HTTP/1.1\r\nHost", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET"):
            with socket.create_connection(place, timeout=60) as stuck:
                stuck.sendall(begun)
                while stuck.recv(4_096):
                    pass
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /%s",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: %s",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-%s",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n%.0s" + b"a: b\r\n" * 20_000,
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: %s",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;extension=%s",
    ],
    ids=["url", "value", "name", "many", "trailer", "chunk"],
)
def test_a_head_that_does_not_end_is_an_error(client: httpx.Client, endless: bytes) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=60) as connection:
        with suppress(ConnectionError):
            for part in batched(endless % (b"a" * 400_000), 8_192):
                connection.sendall(part)
        received = b""
        with suppress(ConnectionResetError):  # of what was sent after the response
            while part := connection.recv(4_096):
                received += part
    assert received == b"" or b"HTTP/1.1 400 " in received
    assert client.get("/healthz").status_code == 200


def batched(whole: bytes, size: int) -> list[bytes]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def test_headers_have_a_longest_size(client: httpx.Client) -> None:
    long = {"X-Long": "a" * (LONGEST_HEADERS // 2)}
    assert client.get("/healthz", headers=long).status_code == 200
    assert client.get("/healthz", headers=long | {"X-Longer": long["X-Long"]}).status_code == 400


def test_requests_that_are_sent_at_once_are_answered_one_after_the_other(client: httpx.Client) -> None:
    posted = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000
    asked = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=60) as connection:
        connection.sendall(3 * (asked + b"\r\n") + posted + asked + b"Connection: close\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 4
