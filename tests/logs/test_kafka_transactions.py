"""What a Kafka topic can hold besides messages: control records, open transactions, any times; and compaction."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from structlog.testing import capture_logs

from advertisex.errors import LogError
from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.model import Partition, Position, SourceLine
from advertisex.monitoring.monitor import reached
from advertisex.processing.lag import lags
from advertisex.processing.runner import Processing, process_log
from advertisex.settings.model import KafkaSettings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore, Range
from advertisex.testing import memory_store
from advertisex.times import micros_of
from tests.processing.messages import message

#: Topics accept records with any time, which Kafka 4 limits by default.
ANY_TIME = {"message.timestamp.before.max.ms": str(2**63 - 1), "message.timestamp.after.max.ms": str(2**63 - 1)}


@pytest.fixture
def topic() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def brokers(kafka: str) -> dict[str, str]:
    return {"bootstrap.servers": kafka.removeprefix("kafka://")}


@pytest.fixture
def log(kafka: str, topic: str, brokers: dict[str, str]) -> Iterator[EventLog]:
    admin = AdminClient(brokers)
    admin.create_topics([NewTopic(topic, 1, 1, config=ANY_TIME)])[topic].result()
    with open_log(kafka, kafka=KafkaSettings(group=topic)) as opened:
        yield opened
    admin.delete_topics([topic])[topic].exception()


@pytest.fixture
def store() -> Iterator[EventStore]:
    with memory_store() as opened:
        yield opened


def processing_of(topic: str) -> Processing:
    return Processing({"clicks": replace(FEEDS["clicks"], topic=topic)})


def clicks(*users: str) -> list[bytes]:
    return [message("clicks", user_id=user) for user in users]


def test_the_ledger_moves_over_what_is_not_a_message_and_what_is_held_back_is_reported(
    log: EventLog, store: EventStore, topic: str, brokers: dict[str, str]
) -> None:
    at, processing = Partition(topic, 0), processing_of(topic)
    producer = Producer(brokers | {"transactional.id": topic})
    producer.init_transactions()
    for users, commit in ((["a", "b"], True), (["x"] * 500, False)):
        producer.begin_transaction()
        for payload in clicks(*users):
            producer.produce(topic, payload)
        producer.flush()
        (producer.commit_transaction if commit else producer.abort_transaction)()

    assert process_log(log, store, processing).read == 2
    assert (store.positions(), lags(log, store, [topic])) == ({at: 504}, {at: 0})
    assert log.held_back().get(at) is None
    now = utc_now()
    assert reached(log, store, [topic], now) == now

    began = now - timedelta(minutes=20)
    producer.begin_transaction()
    producer.produce(topic, clicks("c")[0], timestamp=micros_of(began) // 1000)
    producer.flush()
    log.append(topic, clicks("d", "e"))

    assert process_log(log, store, processing).read == 0  # a message after it cannot be read either
    assert (store.positions(), lags(log, store, [topic])) == ({at: 504}, {at: 0})
    held = log.held_back()[at]
    assert (held.offsets, held.since) == (3, micros_of(began) // 1000 * 1000)
    assert abs(reached(log, store, [topic], now) - began) < timedelta(seconds=1)
    (finding,) = [finding for finding in log.inspect([topic]) if finding.what == "transactions"]
    assert not finding.good
    assert f"{topic}/0 at most 3 since {began:%Y-%m-%d %H:%M:%S} UTC" in finding.detail

    producer.commit_transaction()
    assert process_log(log, store, processing).read == 3
    assert (store.positions(), lags(log, store, [topic]), log.held_back().get(at)) == ({at: 508}, {at: 0}, None)
    assert process_log(log, store, processing).read == 0


def test_records_with_a_time_in_any_unit_are_stored(
    log: EventLog, store: EventStore, topic: str, brokers: dict[str, str]
) -> None:
    now = utc_now()
    millis = micros_of(now) // 1000
    producer = Producer(brokers)
    times = [millis // 1000, millis * 1000, millis * 10**6 % 2**63, 1, 2**63 - 1, millis + 10**9, millis - 10**11]
    for number, time in enumerate(times):
        producer.produce(topic, message("clicks", user_id=f"u{number}", timestamp=now.isoformat()), timestamp=time)
        producer.produce(topic, b"x", timestamp=time)
    producer.produce(topic, None)
    producer.produce(topic, message("clicks", user_id="own"), headers={"source": b"shop:" + b"9" * 5000})
    assert producer.flush(10) == 0

    with capture_logs() as logged:
        counts = process_log(log, store, processing_of(topic))

    assert (counts.stored, counts.rejected) == (len(times), len(times) + 2)  # the last one's event is after its time
    assert log.origin(Position(topic, 0, 2 * len(times) + 1)) == SourceLine("shop", None)
    (warning,) = [line for line in logged if line["log_level"] == "warning"]
    assert (warning["partition"], warning["count"]) == (f"{topic}/0", 2 * (len(times) - 1))
    ingested = [time for frame in store.scan("clicks", ["ingested_at"], Range()) for time in frame["ingested_at"]]
    assert all(datetime(2011, 1, 1) < time < now + timedelta(days=1) for time in ingested)


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_a_compacted_topic_is_rejected(log: EventLog, topic: str, brokers: dict[str, str], policy: str) -> None:
    compacted, admin = f"{topic}-compacted", AdminClient(brokers)
    admin.create_topics([NewTopic(compacted, 1, 1, config={"cleanup.policy": policy})])[compacted].result()
    for attempt in (lambda: log.reader([topic, compacted], dict, 10), lambda: log.append(compacted, [b"a"])):
        with pytest.raises(LogError, match="the topic is compacted") as caught:
            attempt()
        assert compacted in caught.value.where
        assert "cleanup.policy=delete" in caught.value.hint
    (finding,) = [finding for finding in log.inspect([topic, compacted]) if finding.what == "cleanup policy"]
    assert (finding.good, compacted in finding.detail) == (False, True)
    assert not [finding for finding in log.inspect([topic]) if finding.what == "cleanup policy"]
    admin.delete_topics([compacted])[compacted].result()
