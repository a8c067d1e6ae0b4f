"""Which partitions Kafka is asked for, and when those that others should read end a run. No server is needed."""

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from advertisex.errors import LogError
from advertisex.logs.kafka.client import Cluster, Timeouts
from advertisex.logs.kafka.holders import Holder
from advertisex.logs.kafka.log import KafkaLog
from advertisex.logs.kafka.remaining import RemainingPartitions
from advertisex.logs.kafka.topics import KafkaTopics
from advertisex.model import Partition
from advertisex.settings.model import KafkaSettings

URL = "kafka://127.0.0.1:9"
STALLED = 60.0


class Admin:
    """A cluster with one topic that has a leader, and one that has none."""

    def list_topics(self, timeout: float) -> Any:
        def topic(leader: int) -> Any:
            return SimpleNamespace(partitions={0: SimpleNamespace(leader=leader, isrs=[1], replicas=[1])})

        return SimpleNamespace(topics={"ours": topic(1), "broken": topic(-1)}, brokers={}, cluster_id="c")

    def list_offsets(self, requested: Mapping[Any, Any], **options: Any) -> dict[Any, Future[Any]]:
        found: dict[Any, Future[Any]] = {}
        for partition in requested:
            found[partition] = Future()
            if partition.topic == "broken":
                found[partition].set_exception(KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE)))
            else:
                found[partition].set_result(SimpleNamespace(offset=7))
        return found

    def describe_configs(self, resources: Collection[Any], **options: Any) -> dict[Any, Future[Any]]:
        found: dict[Any, Future[Any]] = {resource: Future() for resource in resources}
        for answer in found.values():
            answer.set_result({"cleanup.policy": SimpleNamespace(value="delete")})
        return found

    def poll(self, timeout: float) -> int:
        return 0


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> KafkaLog:
    opened = KafkaLog(URL, KafkaSettings(), timeouts=Timeouts(request=0.0))
    monkeypatch.setattr(opened._topics, "_admin", Admin())
    monkeypatch.setattr(opened._topics._compaction, "_admin", Admin())
    return opened


def test_a_broken_topic_of_others_stops_nothing(log: KafkaLog) -> None:
    ours = Partition("ours", 0)
    assert log.start_offsets(["ours"]) == log.end_offsets(["ours"]) == {ours: 7}
    assert log.held_back(["ours"]) == {}
    assert all(finding.good for finding in log.inspect(["ours"]))
    with pytest.raises(LogError, match="cannot read the offsets of the topics"):
        log.end_offsets()


def test_a_broken_topic_of_ours_is_a_finding(log: KafkaLog) -> None:
    assert {finding.what: finding.good for finding in log.inspect(["ours", "broken"])} == {
        "log": True,
        "topic ours": True,
        "topic broken": False,
        "transactions": False,
    }


@dataclass
class Clusters:
    """What Kafka says about two partitions that this process does not hold."""

    found: dict[Partition, Holder] | None

    def ends(self, topics: Collection[str]) -> dict[Partition, int]:
        return {Partition(topic, number): 5 for topic in topics for number in range(2)}

    def holders(self, partitions: Collection[Partition]) -> dict[Partition, Holder] | None:
        return self.found


FOREIGN, OURS = Holder("client x at h", is_ours=False), Holder("client advertisex at h", is_ours=True)
NEW, OTHER = Partition("t", 0), Partition("t", 1)


@pytest.mark.parametrize(
    ("found", "seconds", "text", "hint"),
    [
        (
            {NEW: FOREIGN},
            STALLED,
            "t/0 (client x at h), t/1 (assigned to no member)",
            "another application is a member",
        ),
        ({NEW: OURS}, 10 * STALLED, "t/0 (client advertisex at h), t/1 (assigned", "another application is a member"),
        (None, STALLED, "t/0 (unknown holder), t/1 (unknown holder)", "Kafka does not say who holds them"),
        ({}, STALLED + 2 * 90, "t/0 (assigned to no member), t/1 (assigned to no member)", "no member of the group"),
    ],
)
def test_partitions_that_nobody_processes_end_the_run_by_who_holds_them(
    found: dict[Partition, Holder] | None, seconds: float, text: str, hint: str
) -> None:
    """New partitions are assigned after the next refresh of the metadata: the wait is longer than that."""
    settings = KafkaSettings(client={"topic.metadata.refresh.interval.ms": "90000"})
    now = [0.0]
    cluster, topics = Cluster.of(URL, settings, Timeouts(stalled=STALLED)), cast("KafkaTopics", Clusters(found))
    remaining = RemainingPartitions(["t"], cluster, topics, dict, lambda: now[0])
    with capture_logs() as logged:
        while now[0] < seconds:
            assert not remaining.is_read([])
            now[0] += 0.5
        with pytest.raises(LogError) as caught:
            remaining.is_read([])
    assert text in caught.value.what
    assert caught.value.hint.startswith(hint)
    assert len(logged) == (seconds > STALLED)


def test_a_new_partition_that_is_assigned_later_is_no_error() -> None:
    now, ledger = [0.0], {OTHER: 5}
    cluster, topics = Cluster.of(URL, KafkaSettings(), Timeouts(stalled=STALLED)), cast("KafkaTopics", Clusters({}))
    remaining = RemainingPartitions(["t"], cluster, topics, lambda: ledger, lambda: now[0])
    while now[0] < STALLED + 60:
        assert not remaining.is_read([])
        now[0] += 0.5
    assert remaining.is_read([NEW])
