import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
import trustme

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.api.connection import Connection
from advertisex.ingestion.api.secrets import Secrets
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.publish import Published
from advertisex.logs.sqlite.log import SqliteLog
from tests.ingestion.buckets import S3Bucket
from tests.servers.s3 import LocalS3


@dataclass
class Ingested:
    """Messages that an ingest appended, and failures that it reported."""

    published: Published
    messages: list[bytes]
    failures: list[SourceError]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(tmp_path / "the.log") as log:
        yield log


def messages_in(log: SqliteLog, topic: str) -> list[bytes]:
    messages: list[bytes] = []
    while batch := log.read(topic, 0, len(messages), 100_000).payloads:
        messages += batch
    return messages


@pytest.fixture
def ingested(log: SqliteLog) -> Callable[..., Ingested]:
    """Ingest sources into a real log; the counts must match the content of the log."""

    def run(feed: str, *sources: Any, stdin: BinaryIO | None = None, **options: Any) -> Ingested:
        before = len(messages_in(log, FEEDS[feed].topic))
        failures: list[SourceError] = []
        published = ingest(
            FEEDS[feed],
            [str(s) for s in sources],
            log,
            IngestOptions(**options),
            on_failure=failures.append,
            stdin=stdin,
        )
        messages = messages_in(log, FEEDS[feed].topic)[before:]
        assert published.messages == len(messages)
        assert published.bytes == sum(map(len, messages))
        assert sum(counted.messages for counted in published.sources.values()) == len(messages)
        return Ingested(published, messages, failures)

    return run


class Asked(NamedTuple):
    """A request that the server got. The names of the headers are in lower case; `port` is that of the client."""

    path: str
    headers: dict[str, str]
    method: str = "GET"
    body: bytes = b""
    port: int = 0

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the URL; of a repeated one, the last value."""
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))


@dataclass
class Answer:
    """One response of the server.

    `cut`: bytes that Content-Length declares beyond the body; `drips`: keep sending blanks, without an end; `chunked`:
    send the body in chunks, and with `cut` leave out the last one.
    """

    body: bytes = b"[]"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    drips: bool = False
    chunked: bool = False


class Server:
    """A real HTTP server.

    A path in `routes` is answered by its function, the others by `answers` in order, of which the last one is repeated.
    With a context, it speaks TLS.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: list[Answer] = []
        self.routes: dict[str, Callable[[Asked], Answer]] = {}
        self.asked: list[Asked] = []
        self.stopped = threading.Event()
        self._http = _HttpServer(("127.0.0.1", 0), _handler(self))
        self._scheme = "http"
        if context is not None:
            self._scheme = "https"
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if route := self.routes.get(urlsplit(asked.path).path):
            return route(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _HttpServer(ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:
        """Ignore a client that closes the connection; anything else is printed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*args)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are sent apart, which would wait for the client

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            answer = server.answer(Asked(self.path, headers, self.command, body, self.client_address[1]))
            self.close_connection = bool(answer.cut or answer.drips)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif answer.drips:
                self.send_header("Connection", "close")
            elif answer.status not in (204, 304):
                self.send_header("Content-Length", str(len(answer.body) + answer.cut))
            self.end_headers()
            if answer.chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(answer.body), answer.body) if answer.body else b"")
                self.wfile.write(b"" if answer.cut else b"0\r\n\r\n")
            elif answer.status not in (204, 304):
                self.wfile.write(answer.body)
            while answer.drips and not server.stopped.wait(0.01):
                self.wfile.write(b" ")

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *args: Any) -> None: ...

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def answer() -> type[Answer]:
    return Answer


@pytest.fixture
def bucket(local_s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> S3Bucket:
    """An empty bucket; the environment has its endpoint and credentials."""
    for name, value in local_s3.environment.items():
        monkeypatch.setenv(name, value)
    return S3Bucket(local_s3)


@pytest.fixture
def other_server() -> Iterator[Server]:
    """A second server, on another port."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[Server]:
    """A server with a certificate for 127.0.0.1 from `authority`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = Server(context)
    yield server
    server.close()


@pytest.fixture
def asked() -> type[Asked]:
    return Asked


def connection_of(options: ApiOptions, **parts: Any) -> Connection:
    """A connection for requests to any URL."""
    return Connection(options, Secrets("", options), **parts)
