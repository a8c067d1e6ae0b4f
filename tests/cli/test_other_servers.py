"""What `--server` cannot ask is an error of one line: what is here, another address, a server that is not ours."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from advertisex.reporting.packed import MEDIA_TYPE, PACKED
from tests.cli.conftest import run


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("ledger --data x", "--data"),
        ("sources --log sqlite:///x", "--log"),
        ("alerts list --store duckdb:///x", "--store"),
        ("analyze funnel --config x.toml", "--config"),
        ("overview --currency EUR --rates rates.csv", "--rates"),
        ("doctor --deep", "--deep"),
        ("reconcile -", "stdin"),
        ("reconcile https://partner.example/report.csv", "a URL"),
        ("rejects replay --all --yes --data x", "--data"),
        ("rejects resolve --all --yes --data x", "--data"),
    ],
)
def test_what_is_here_cannot_be_combined_with_a_server(
    folder: Path, command: str, option: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(*command.split(), "--server", "http://127.0.0.1:1") == 2
    assert f"{option} cannot be combined with --server" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("url", "token", "code", "text"),
    [
        ("http://127.0.0.1:1", "", 1, "the server does not respond: could not connect: connection refused"),
        ("127.0.0.1:8470", "", 2, "is not the address of a server"),
        ("http://me:secret@127.0.0.1:1", "", 2, "has no user and no password"),
        ("http://ads.example.com", "adx_1", 2, "the token would be sent unencrypted (http://ads.example.com)"),
        ("http://127.0.0.1:1", "ad x", 2, "the token is not valid; set ADVERTISEX_TOKEN to a token"),
    ],
)
def test_an_address_that_cannot_be_asked_is_an_error(
    folder: Path,
    url: str,
    token: str,
    code: int,
    text: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ADVERTISEX_TOKEN", token)
    assert run("ledger", "--server", url) == code
    error = capfd.readouterr().err
    assert text in error
    assert "secret" not in error


# -- servers that are not ours ---------------------------------------------------------------------------------------


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> Iterator[str]:
    """A server that always answers the same; with a length, its body is cut off."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "body", "length", "code", "text"),
    [
        (200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>", None, 2, "the server does not answer like ours ("),
        (200, {"Content-Type": "application/json"}, b"{}", None, 2, "the server does not answer like ours ("),
        (404, {"Content-Type": "text/html"}, b"<h1>No</h1>", None, 1, "does not answer like ours: status 404"),
        (502, {"Content-Type": "text/html"}, b"<h1>No</h1>", None, 1, "does not answer like ours: status 502"),
        (302, {"Location": "https://sso.example/?next=1"}, b"", None, 2, "redirects to another address (https://sso"),
        (200, {"Content-Type": f"{MEDIA_TYPE}; version=9.9"}, b"", None, 2, "the server has another version: 9.9, not"),
        (200, {"Content-Type": PACKED}, b"xx", None, 2, "the response is damaged"),
        (200, {"Content-Type": PACKED}, b"xx", 9, 1, "the server does not respond: the response was truncated"),
        (500, {"Content-Type": "application/problem+json"}, b"no", None, 1, "does not answer like ours: status 500"),
        (
            400,
            {"Content-Type": "application/problem+json"},
            b'{"detail": "\\u001b[31mred"}',
            None,
            2,
            "error: ␛[31mred (",
        ),
        (404, {"Content-Type": "application/problem+json"}, b'{"detail": "gone"}', None, 1, "error: gone (http://127"),
    ],
)
def test_another_server_is_an_error(
    folder: Path,
    status: int,
    headers: dict[str, str],
    body: bytes,
    length: int | None,
    code: int,
    text: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with answering(status, headers, body, length) as url:
        assert run("ledger", "--server", url) == code
    error = capfd.readouterr().err
    assert text in error
    assert error.count("\n") == 1
