"""One Kafka and one Elasticsearch for the whole run, started on first use and shared by pytest-xdist's workers.

The main pytest process owns them; workers request them over a socket. `TEST_KAFKA` and
`TEST_ELASTICSEARCH` name running servers to use instead. If a server cannot be started, the test fails with
the reason; it is never skipped.
"""

import os
import secrets
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.connection import Client, Listener
from pathlib import Path

import pytest

from advertisex.errors import AdvertiseXError
from tests.servers.elasticsearch import LocalElasticsearch
from tests.servers.kafka import LocalKafka
from tests.servers.local_server import LocalServer

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
                except AdvertiseXError as error:
                    server.close()
                    self._failed[kind] = str(error)
            return (self._started[kind].url, "") if kind in self._started else ("", self._failed[kind])

    def close(self) -> None:
        for server in self._started.values():
            server.close()


class Counter:
    """Answers workers' requests for servers over a socket."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._folder = tempfile.TemporaryDirectory(prefix="advertisex-servers-")
        self.address = str(Path(self._folder.name) / "counter")
        self.key = secrets.token_hex(16)
        self._listener = Listener(self.address, "AF_UNIX", authkey=self.key.encode())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                asked = self._listener.accept()
            except OSError:  # the client disconnected
                continue
            if not (kind := asked.recv()):
                asked.close()
                return
            threading.Thread(target=self._answer, args=(asked, kind), daemon=True).start()

    def _answer(self, asked, kind: str) -> None:
        with asked:
            asked.send(self._servers.ask(kind))

    def close(self) -> None:
        with Client(self.address, "AF_UNIX", authkey=self.key.encode()) as line:
            line.send("")
        self._thread.join()
        self._listener.close()
        self._folder.cleanup()


SERVERS = pytest.StashKey[Servers]()
COUNTER = pytest.StashKey[Counter]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[SERVERS] = Servers()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Pass the socket's address to a worker."""
    config = node.config
    if COUNTER not in config.stash:
        config.stash[COUNTER] = Counter(config.stash[SERVERS])
    node.workerinput["servers"] = (config.stash[COUNTER].address, config.stash[COUNTER].key)


def pytest_unconfigure(config: pytest.Config) -> None:
    if COUNTER in config.stash:
        config.stash[COUNTER].close()
    if SERVERS in config.stash:
        config.stash[SERVERS].close()


def url_of(config: pytest.Config, kind: str) -> str:
    if named := os.environ.get(KINDS[kind][0]):
        return named
    if SERVERS in config.stash:
        url, why = config.stash[SERVERS].ask(kind)
    else:
        address, key = config.workerinput["servers"]
        with Client(address, "AF_UNIX", authkey=key.encode()) as line:
            line.send(kind)
            url, why = line.recv()
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
