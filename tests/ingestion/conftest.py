import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.options import IngestOptions
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


@dataclass
class Answer:
    """One response of the server.

    `cut`: bytes that Content-Length declares beyond the body; `drips`: keep sending blanks, without an end.
    """

    body: bytes = b"[]"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    drips: bool = False


class Server:
    """A real HTTP server that sends its responses in order, and then repeats the last one."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stopped = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if not answer.drips:
                    self.send_header("Content-Length", str(len(answer.body) + answer.cut))
                self.end_headers()
                self.wfile.write(answer.body)
                while answer.drips and not server.stopped.wait(0.01):
                    try:
                        self.wfile.write(b" ")
                    except OSError:
                        return

            def log_message(self, *args: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


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
