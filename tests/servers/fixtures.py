"""Fixtures: one Kafka and one Elasticsearch for the run, started on first use and shared by pytest-xdist's workers.

The main pytest process owns them; workers request them over a socket. `TEST_KAFKA` and `TEST_ELASTICSEARCH` name
running servers to use instead. If one of them cannot be started, the test fails with the reason; it is never skipped.
"""

import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import pytest

from advertisex.errors import AdvertiseXError
from tests.servers.azurite import LocalAzurite
from tests.servers.elasticsearch import LocalElasticsearch
from tests.servers.errors import ServerError
from tests.servers.kafka import LocalKafka
from tests.servers.local_server import LocalServer
from tests.servers.s3 import LocalS3

KINDS: dict[str, tuple[str, Callable[[], LocalServer]]] = {
    "kafka": ("TEST_KAFKA", LocalKafka),
    "elasticsearch": ("TEST_ELASTICSEARCH", lambda: LocalElasticsearch(heap="1g")),
}


class Servers:
    """The servers that this run has started."""

    def __init__(self) -> None:
        self._locks = {kind: threading.Lock() for kind in KINDS}
        self._started: dict[str, LocalServer] = {}
        self._failed: dict[str, str] = {}

    def ask(self, kind: str) -> tuple[str, str]:
        """The server's URL and "", or "" and the reason why it did not start."""
        with self._locks[kind]:
            if kind not in self._started and kind not in self._failed:
                server = KINDS[kind][1]()
                try:
                    self._started[kind] = server.start()
                except Exception as error:  # noqa: BLE001 - every test that waits for it fails with the reason
                    server.close()
                    self._failed[kind] = str(error) if isinstance(error, AdvertiseXError) else repr(error)
            return (self._started[kind].url, "") if kind in self._started else ("", self._failed[kind])

    def close(self) -> None:
        for server in self._started.values():
            server.close()


class RequestSocket:
    """Answers workers' requests for servers over a socket."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._folder = tempfile.TemporaryDirectory(prefix="advertisex-servers-")
        self.address = str(Path(self._folder.name) / "socket")
        self.key = secrets.token_hex(16)
        self._listener = Listener(self.address, "AF_UNIX", authkey=self.key.encode())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:  # the client disconnected
                continue
            if not (kind := connection.recv()):
                connection.close()
                return
            threading.Thread(target=self._answer, args=(connection, kind), daemon=True).start()

    def _answer(self, connection: Connection, kind: str) -> None:
        with connection:
            connection.send(self._servers.ask(kind))

    def close(self) -> None:
        with Client(self.address, "AF_UNIX", authkey=self.key.encode()) as connection:
            connection.send("")
        self._thread.join()
        self._listener.close()
        self._folder.cleanup()


SERVERS = pytest.StashKey[Servers]()
REQUESTS = pytest.StashKey[RequestSocket]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[SERVERS] = Servers()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Pass the socket's address to a worker."""
    config = node.config
    if REQUESTS not in config.stash:
        config.stash[REQUESTS] = RequestSocket(config.stash[SERVERS])
    node.workerinput["servers"] = (config.stash[REQUESTS].address, config.stash[REQUESTS].key)


def pytest_unconfigure(config: pytest.Config) -> None:
    if REQUESTS in config.stash:
        config.stash[REQUESTS].close()
    if SERVERS in config.stash:
        config.stash[SERVERS].close()


def url_of(config: pytest.Config, kind: str) -> str:
    if named := os.environ.get(KINDS[kind][0]):
        return named
    if SERVERS in config.stash:
        url, why = config.stash[SERVERS].ask(kind)
    else:
        address, key = config.workerinput["servers"]
        with Client(address, "AF_UNIX", authkey=key.encode()) as connection:
            connection.send(kind)
            url, why = connection.recv()
    if why:
        pytest.fail(f"{why}; or name a running one in {KINDS[kind][0]}", pytrace=False)
    return url


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> str:
    """URL of the Kafka shared by this run; use your own topics and groups."""
    return url_of(pytestconfig, "kafka")


@pytest.fixture(scope="session")
def elasticsearch(pytestconfig: pytest.Config) -> str:
    """URL of the Elasticsearch shared by this run; use your own indices."""
    return url_of(pytestconfig, "elasticsearch")


@pytest.fixture(scope="session")
def local_s3() -> Iterator[LocalS3]:
    """An S3 server of this process; use your own buckets."""
    server = LocalS3()
    yield server
    server.close()


@pytest.fixture(scope="session")
def s3(local_s3: LocalS3) -> str:
    """The endpoint of the S3 server."""
    return local_s3.url


@pytest.fixture(scope="session")
def azurite() -> Iterator[LocalAzurite]:
    """Azure Blob Storage, of this process; use your own containers. Skips where npm cannot download it."""
    server = LocalAzurite()
    try:
        server.start()
    except ServerError as error:
        server.close()
        pytest.skip(str(error))
    yield server
    server.close()
