"""An HTTP API that returns records in pages, and that fails now and then if it is asked to."""

import random
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PAGE = 300
#: Failures of a request, and how often each occurs while the API is unreliable.
FAILURES = {"cut": 0.05, "500": 0.05, "429": 0.05, "401": 0.02, "hang up": 0.05}


class Api:
    """Pages of NDJSON; a link leads to the next one.

    Attributes:
        url: address, with a secret in it.
        channel: URL of a channel that notifies it, likewise.
        records: what it returns.
        unreliable: decides which requests fail; None: none does.
    """

    def __init__(self, secret: str) -> None:
        self.records: list[bytes] = []
        self.unreliable: random.Random | None = None
        self.failures = 0
        api = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                with suppress(OSError):  # the client was killed
                    api.answer(self, dict(parse_qsl(urlsplit(self.path).query)))

            def do_POST(self) -> None:
                """Take a notification of a channel."""
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/impressions?token={secret}-url"
        self.channel = f"json://127.0.0.1:{self._http.server_port}/?+X-Token={secret}-channel"

    @property
    def read_once(self) -> int:
        """The number of records, without those that an earlier page has."""
        earlier: set[bytes] = set()
        count = 0
        for start in range(0, len(self.records), PAGE):
            page = self.records[start : start + PAGE]
            count += sum(record not in earlier for record in page)
            earlier.update(page)
        return count

    def answer(self, request: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        failure = self._failure()
        if failure == "hang up":
            request.close_connection = True
            return
        if failure in {"500", "429", "401"}:
            request.send_response(int(failure))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = int(query.get("after", 0))
        body = b"".join(record + b"\n" for record in self.records[start : start + PAGE])
        request.send_response(200)
        request.send_header("Content-Type", "application/x-ndjson")
        request.send_header("Content-Length", str(len(body)))
        if start + PAGE < len(self.records):
            request.send_header("Link", f'<{self.url}&after={start + PAGE}>; rel="next"')
        request.end_headers()
        if failure == "cut":
            request.close_connection = True
            body = body[: len(body) // 2]
        request.wfile.write(body)

    def _failure(self) -> str:
        if self.unreliable is None:
            return ""
        names: Sequence[str] = [*FAILURES, ""]
        shares = [*FAILURES.values(), 1 - sum(FAILURES.values())]
        failure = self.unreliable.choices(names, shares)[0]
        self.failures += bool(failure)
        return failure

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
