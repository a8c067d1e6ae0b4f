"""An S3 server on this machine: moto's, in a thread of this process."""

import logging
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from tests.servers.local_server import HOST

REGION = "us-east-1"
#: The bucket that the samples of the guide use.
SAMPLES = "ad-feeds"


class LocalS3:
    """A server that keeps its objects in memory; `close` it.

    Attributes:
        url: its endpoint.
        client: a client of it.
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
        self._server = ThreadedMotoServer(HOST, 0, verbose=False)
        self._server.start()
        self.url = f"http://{HOST}:{self._server.get_host_and_port()[1]}"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 0}),
        )
        self.client.create_bucket(Bucket=SAMPLES)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which it is used."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
        }

    def close(self) -> None:
        """Stop it."""
        self.client.close()
        self._server.stop()


class S3Proxy:
    """A server that passes requests to read on to another one, or rejects them; `close` it.

    Attributes:
        url: its endpoint.
        rejects: called with the method and the path of each request, with its query; returns the status and the code
            of the error with which to answer it, or None to pass it on.
    """

    def __init__(self, url: str) -> None:
        self.rejects: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self, urlsplit(url).netloc))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://{HOST}:{self._server.server_port}"

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(proxy: S3Proxy, host: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            rejected = proxy.rejects(self.command, self.path)
            if rejected is not None:
                status, code = rejected
                self._answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())
                return
            connection = HTTPConnection(host)
            connection.request(self.command, self.path, headers=dict(self.headers))
            response = connection.getresponse()
            self._answer(response.status, dict(response.headers), response.read())
            connection.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                if name not in ("Connection", "Transfer-Encoding"):
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *args: Any) -> None: ...

    return Handler
