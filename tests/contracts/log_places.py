"""Where the logs under test live: another log is another line in `LOGS`."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.settings import KafkaSettings


@dataclass(frozen=True)
class Place:
    """Where a log is.

    Attributes:
        url: of the log.
        prefix: begins the names of the test's topics: a server is shared.
        kafka: one partition, as the suites expect, and a group of its own.
        whole: whether an append lies in the log as a whole, with nothing of another between.
        admit: makes a topic take messages of so many bytes.
        remove: deletes a topic, or the whole log; nobody has it open.
    """

    url: str
    prefix: str
    kafka: KafkaSettings = KafkaSettings()
    whole: bool = True
    admit: Callable[[str, int], None] = lambda topic, size: None
    remove: Callable[[str], None] = lambda topic: None

    def open(self) -> EventLog:
        return open_log(self.url, kafka=self.kafka)

    def topic(self, name: str = "") -> str:
        """The name of a new topic."""
        return f"{self.prefix}{name or uuid4().hex}"


@contextmanager
def in_folder(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    def remove(topic: str) -> None:
        for file in folder.glob("log.db*"):
            file.unlink()

    yield Place(f"sqlite:///{folder / 'log.db'}", "topic-", remove=remove)


@contextmanager
def in_kafka(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    url = request.getfixturevalue("kafka")
    ours = f"test-{uuid4().hex}-"
    admin = AdminClient({"bootstrap.servers": url.removeprefix("kafka://")})

    def admit(topic: str, size: int) -> None:
        wanted = NewTopic(topic, num_partitions=1, config={"max.message.bytes": str(size)})
        admin.create_topics([wanted])[topic].result()

    def remove(topic: str) -> None:
        admin.delete_topics([topic])[topic].result()
        while topic in admin.list_topics(timeout=10).topics:
            time.sleep(0.02)

    settings = KafkaSettings(partitions=1, group=f"{ours}group")
    yield Place(url, ours, settings, whole=False, admit=admit, remove=remove)
    if left := [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(ours)]:
        for removed in admin.delete_topics(left).values():
            removed.result()


#: For each kind of log, how a place for one is had.
LOGS: dict[str, Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Place]]] = {
    "sqlite": in_folder,
    "kafka": in_kafka,
}
