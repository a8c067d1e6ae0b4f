"""The pairs of a log and a store that rounds run on, and the faults that they can have."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any, ClassVar, Protocol

import httpx
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from advertisex.errors import LogError
from advertisex.logs.contract import EventLog
from advertisex.logs.sqlite.log import SqliteLog
from tests.cluster.proxy import FaultyProxy
from tests.cluster.settings import cluster_settings
from tests.faults.generations import generations
from tests.faults.plan import Fault
from tests.servers.elasticsearch import LocalElasticsearch
from tests.servers.kafka import LocalKafka


class Pair(Protocol):
    """A log and a store to run on.

    Attributes:
        name: its name.
        weights: how often each kind of fault is drawn.
        is_embedded: whether the log keeps the order of all messages of a feed, and can remove what was processed.
        processing: further arguments of `process`.
        retention: variables of a `process` that removes from the log what was processed.
    """

    name: str
    weights: Mapping[str, float]
    is_embedded: bool
    processing: tuple[str, ...]
    retention: Mapping[str, str]

    def settings(self, run: str, secret: str) -> str:
        """Settings of a run that shares nothing with other runs, with passwords that begin with the secret."""

    def ends(self, world: Any) -> dict[str, int]:
        """The number of messages that the log got so far, by feed."""

    def begin(self, fault: Fault, run: str) -> Callable[[], None]:
        """Begin a fault of the servers; return what ends it."""

    def expire(self, world: Any) -> None:
        """Let the retention of the log remove what was processed."""

    def rebalances(self, run: str) -> int:
        """How many generations the consumer group of a run has had."""

    def close(self) -> None:
        """Stop what was started."""


class Embedded:
    """SQLite and DuckDB, in the data folder of each run."""

    name = "embedded"
    is_embedded = True
    processing = ()
    retention: ClassVar = {"ADVERTISEX_LOG__KEEP_SIZE": "1MB"}
    weights: ClassVar = {
        "kill": 8,
        "kill at call": 8,
        "interrupt": 1,
        "freeze": 0.5,
        "disk error": 1,
        "full disk": 0.7,
        "read-only disk": 0.3,
        "clock": 0.7,
        "twin": 0.7,
        "reader": 0.5,
    }

    def settings(self, run: str, secret: str) -> str:
        return ""

    def ends(self, world: Any) -> dict[str, int]:
        path = world.data / "log.db"
        if not path.exists() or not path.stat().st_size:
            return {}
        with SqliteLog(path) as log:
            return _by_feed(world, log)

    def begin(self, fault: Fault, run: str) -> Callable[[], None]:
        raise NotImplementedError(fault.kind)

    def expire(self, world: Any) -> None:
        """Do nothing: `process` does it, because its step limits the size of the log."""

    def rebalances(self, run: str) -> int:
        return 0

    def close(self) -> None: ...


class Servers:
    """A Kafka, and an Elasticsearch behind a proxy; each run has its own topics and indices.

    The clock is left alone: librdkafka waits until a time of the wall clock, which would be days away.
    """

    name = "servers"
    is_embedded = False
    processing = ("--workers", "2")
    retention: ClassVar = {}
    weights: ClassVar = {
        "kill": 8,
        "kill at network call": 5,
        "kill at call": 1,
        "kill worker": 4,
        "extra worker": 2,
        "interrupt": 0.5,
        "freeze": 0.5,
        "twin": 1,
        "reader": 0.3,
        "server kill": 0.4,
        "server freeze": 0.6,
        "connections": 2,
        "write block": 0.5,
    }

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._kafka = self._stack.enter_context(LocalKafka())
        self._elasticsearch = self._stack.enter_context(LocalElasticsearch())
        self._proxy = self._stack.enter_context(FaultyProxy("127.0.0.1", self._elasticsearch.port))

    @property
    def http_url(self) -> str:
        """Address of Elasticsearch itself, to administer it."""
        return self._elasticsearch.http_url

    def settings(self, run: str, secret: str) -> str:
        """Neither server asks for a password: these are sent or kept for nothing."""
        return cluster_settings(
            _prefix(run),
            self._kafka.url,
            f"elasticsearch://127.0.0.1:{self._proxy.port}",
            partitions=3,
            client={"sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": f"{secret}-kafka"},
            api_key=f"{secret}-elasticsearch",
        )

    def ends(self, world: Any) -> dict[str, int]:
        with suppress(LogError), world.log() as log:
            return _by_feed(world, log)
        return {}

    def begin(self, fault: Fault, run: str) -> Callable[[], None]:
        server = self._kafka if fault.detail == "kafka" else self._elasticsearch
        if fault.kind == "server kill":
            server.kill()
            return lambda: server.start() and None
        if fault.kind == "server freeze":
            server.pause()
            return server.resume
        if fault.kind == "write block":
            self._block(run, blocked=True)
            return lambda: self._block(run, blocked=False)
        faults: dict[str, Callable[[], None]] = {
            "cut": lambda: self._proxy.cut(40),
            "swallow": lambda: self._proxy.swallow(times=2),
            "delay": lambda: self._proxy.delay(1.0),
            "refuse": self._proxy.refuse,
            "401": lambda: self._proxy.answer("401 Unauthorized"),
            "503": lambda: self._proxy.answer("503 Service Unavailable"),
        }
        faults[fault.detail]()
        return self._proxy.heal

    def _block(self, run: str, *, blocked: bool) -> None:
        url = f"{self.http_url}/{_prefix(run)}-*/_settings"
        for _ in range(20):
            with suppress(httpx.HTTPError):
                if httpx.put(url, json={"index.blocks.write": blocked or None}, timeout=30).is_success:
                    return
            time.sleep(0.5)

    def expire(self, world: Any) -> None:
        with world.store() as store:
            below = {(row.topic, row.partition): row.next_offset for row in store.ledger()}
        wanted = [TopicPartition(topic, partition, offset) for (topic, partition), offset in below.items() if offset]
        admin = AdminClient({"bootstrap.servers": self._kafka.bootstrap})
        for removed in admin.delete_records(wanted).values():
            removed.result(30)

    def rebalances(self, run: str) -> int:
        return generations(self._kafka.bootstrap, _prefix(run))

    def close(self) -> None:
        self._stack.close()


def _prefix(run: str) -> str:
    return f"f{run.replace('.', '-').lower()}"


def _by_feed(world: Any, log: EventLog) -> dict[str, int]:
    topics = {feed.topic: name for name, feed in world.feeds.items()}
    counts = dict.fromkeys(topics.values(), 0)
    for partition, end in log.end_offsets().items():
        if partition.topic in topics:
            counts[topics[partition.topic]] += end
    return counts


PAIRS: dict[str, Callable[[], Pair]] = {"embedded": Embedded, "servers": Servers}
