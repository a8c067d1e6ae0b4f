"""The logs under test; a new kind of log needs one more entry in `LOGS`."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.settings.model import KafkaSettings


@dataclass(frozen=True)
class Place:
    """The URL of a log, and what the tests need to know about it.

    Attributes:
        url: URL of the log.
        prefix: prefix of the test's topic names, because a server is shared.
        kafka: settings: one partition, as the suites expect, and a separate group.
        whole: whether the messages of an append are contiguous in the log.
        folder: where the state is kept, if not in the log.
        admit: creates a topic that accepts messages of this size in bytes.
        remove: deletes a topic, or the whole log, which must not be open.
        remove_below: removes the messages of partition 0 of a topic below an offset; None uses the log's `prune`.
    """

    url: str
    prefix: str
    kafka: KafkaSettings = KafkaSettings()
    whole: bool = True
    folder: Path | None = None
    admit: Callable[[str, int], None] = lambda topic, size: None
    remove: Callable[[str], None] = lambda topic: None
    remove_below: Callable[[str, int], None] | None = None

    def open(self) -> EventLog:
        return open_log(self.url, kafka=self.kafka, folder=self.folder)


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

    def remove_below(topic: str, offset: int) -> None:
        for removed in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
            removed.result()

    settings = KafkaSettings(partitions=1, group=f"{ours}group")
    yield Place(url, ours, settings, False, folder, admit, remove, remove_below)
    if left := [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(ours)]:
        for removed in admin.delete_topics(left).values():
            removed.result()


#: For each kind of log, a context manager that creates a place for one.
LOGS: dict[str, Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Place]]] = {
    "sqlite": in_folder,
    "kafka": in_kafka,
}
