"""What the Kafka log adds to the contract: partitions, groups, and errors of the brokers. Against a real one."""

import random
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from advertisex.batches import Batch, Partition, Span
from advertisex.errors import ConfigurationError, LogError, StoreError
from advertisex.logs.contract import EventLog, LogReader
from advertisex.logs.kafka import KafkaLog
from advertisex.logs.open import open_log
from advertisex.settings import KafkaSettings

SECRET = "geheim-0123456789"
NOBODY = "kafka://127.0.0.1:1"  # no one listens on this port
GIANT = random.Random(1).randbytes(65 * 2**20)  # the broker of the tests takes 64 MiB, compressed

Opened = Callable[..., EventLog]


@pytest.fixture
def topic() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def opened(kafka: str, topic: str) -> Iterator[Opened]:
    """opened(partitions=, create=, **client): the log, in a group of this test's own."""
    logs: list[EventLog] = []

    def make(*, partitions: int = 1, create: bool = True, **client: str) -> EventLog:
        properties = {name.replace("_", "."): value for name, value in client.items()}
        settings = KafkaSettings(partitions=partitions, group=topic, client=properties)
        logs.append(open_log(kafka, create=create, kafka=settings))
        return logs[-1]

    yield make
    for log in logs:
        log.close()
    admin(kafka).delete_topics([topic])[topic].exception()


def admin(url: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": url.removeprefix("kafka://")})


def whole(log: EventLog, topic: str, partition: int = 0) -> list[bytes]:
    found: list[bytes] = []
    offset = 0
    while len(batch := log.read(topic, partition, offset, 10_000)):
        found += batch.payloads
        offset = batch.span.end
    return found


def read_to_the_end(reader: LogReader) -> list[Batch]:
    batches: list[Batch] = []
    while not reader.caught_up:
        batches += reader.poll()
    return batches


def test_a_topic_is_made_with_the_partitions_of_the_settings(opened: Opened, topic: str) -> None:
    log = opened(partitions=3)
    log.append(topic, [b"a"])
    assert log.partitions(topic) == [0, 1, 2]


def test_many_messages_are_spread_evenly_and_keep_their_order(opened: Opened, topic: str) -> None:
    log = opened(partitions=4)
    messages = [b"%06d" % i for i in range(80_000)]
    log.append(topic, messages)

    found = [whole(log, topic, partition) for partition in range(4)]
    assert [len(part) for part in found] == [20_000] * 4
    assert all(part == sorted(part) for part in found)
    assert sorted(chain(*found)) == messages


def test_small_appends_take_turns_too(opened: Opened, topic: str) -> None:
    log = opened(partitions=4)
    for i in range(8):
        log.append(topic, [b"%d" % i])
    assert [end for partition, end in sorted(log.end_offsets().items()) if partition.topic == topic] == [2] * 4


def test_a_full_queue_makes_the_append_wait_and_loses_nothing(opened: Opened, topic: str) -> None:
    messages = [b"%d" % i for i in range(10_000)]
    log = opened(queue_buffering_max_messages="100")
    log.append(topic, messages)
    assert whole(log, topic) == messages


def test_a_message_that_the_broker_does_not_take_is_an_error_with_its_size(opened: Opened, topic: str) -> None:
    log = opened()
    log.append(topic, [b"before"])
    with pytest.raises(LogError) as caught:
        log.append(topic, [GIANT])
    assert "1 of 1 messages are not acknowledged, one of 68,157,440 bytes is larger" in str(caught.value)
    assert "raise max.message.bytes of the topic" in caught.value.mend
    assert topic in caught.value.where

    log.append(topic, [b"after"])
    assert whole(log, topic) == [b"before", b"after"]


def test_the_error_counts_the_messages_that_are_missing_and_the_others_stay(opened: Opened, topic: str) -> None:
    log = opened(batch_size="1000")
    with pytest.raises(LogError, match="1 of 3 messages are not acknowledged"):
        log.append(topic, [b"a", GIANT, b"b"])
    assert whole(log, topic) == [b"a", b"b"]


def test_a_message_larger_than_the_queue_is_an_error_not_a_wait_for_ever(opened: Opened, topic: str) -> None:
    log = opened(queue_buffering_max_kbytes="1000")
    with pytest.raises(LogError, match="1 of 2 messages are not acknowledged"):
        log.append(topic, [b"a", bytes(2_000_000)])
    assert whole(log, topic) == [b"a"]


def test_a_topic_that_is_missing_is_an_error_for_those_who_only_read(opened: Opened, topic: str) -> None:
    log = opened(create=False)
    with pytest.raises(LogError, match=f"there is no topic {topic}.*advertisex ingest"):
        log.reader([topic], dict, 10)
    assert log.partitions(topic) == []  # asking did not make it


def test_a_topic_that_is_missing_is_made_for_a_reader_who_may(opened: Opened, topic: str) -> None:
    log = opened(partitions=2)
    with log.reader([topic], dict, 10):
        assert log.partitions(topic) == [0, 1]


@pytest.mark.parametrize("ask", [
    lambda log: log.append("t", [b"a"]),
    lambda log: log.read("t", 0, 0, 1),
    lambda log: log.end_offsets(),
    lambda log: log.reader(["t"], dict, 1),
    lambda log: log.inspect(["t"]),
])  # fmt: skip
def test_brokers_that_cannot_be_reached_are_named_soon_and_quietly(
    ask: Callable[[EventLog], object], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for module in ("kafka_topics", "kafka_fetch"):
        monkeypatch.setattr(f"advertisex.logs.{module}.WAIT_SECONDS", 1.0)  # ten for people
    began = time.monotonic()
    with open_log(NOBODY) as log, pytest.raises(LogError, match="Connection refused") as caught:
        ask(log)
    assert time.monotonic() - began < 5
    assert "127.0.0.1:1" in caught.value.where
    assert caught.value.mend == "check that Kafka runs there and can be reached, or name another with --log"
    assert capfd.readouterr() == ("", "")


def test_a_host_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.logs.kafka_topics.WAIT_SECONDS", 1.0)
    with open_log("kafka://nobody.invalid:9092") as log, pytest.raises(LogError, match=r"resolve 'nobody\.invalid"):
        log.append("t", [b"a"])


@pytest.mark.parametrize("url", ["kafka://", "kafka://:9092", "kafka://a:b", "kafka://a:1,", "kafka://a:9092/topic"])
def test_a_url_without_brokers_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="names no Kafka brokers"):
        open_log(url)


def test_several_brokers_may_be_named() -> None:
    with open_log("kafka://one:9092,two:9093,[::1]:9094") as log:
        assert isinstance(log, KafkaLog)


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("advertisex.logs.kafka_topics.WAIT_SECONDS", 1.0)
    client = {"sasl.username": "ads", "sasl.password": SECRET, "sasl.mechanism": "PLAIN"}
    said = ""
    with open_log(NOBODY, kafka=KafkaSettings(client=client | {"security.protocol": "SASL_PLAINTEXT"})) as log:
        said += repr(log) + repr(vars(log))
        with pytest.raises(LogError) as caught:
            log.append("t", [b"a"])
        said += str(caught.value)
    for wrong in ({"security.protocol": SECRET}, {"ssl.key.pem": SECRET}, {"sasl.password": SECRET, "no.such": "1"}):
        with pytest.raises(LogError) as caught:
            open_log(NOBODY, kafka=KafkaSettings(client=wrong | {"security.protocol": "SASL_SSL"} | wrong))
        assert caught.value.mend or "ssl.key.pem" in str(caught.value)
        said += str(caught.value)
    with pytest.raises(ConfigurationError) as refused:
        open_log(f"kafka://ads:{SECRET}@broker:9092")
    said += str(refused.value) + "".join(capfd.readouterr())
    assert SECRET not in said


def test_a_password_for_brokers_that_want_none_is_an_error_that_says_so(
    kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advertisex.logs.kafka_topics.WAIT_SECONDS", 2.0)
    client = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "a"}
    settings = KafkaSettings(client=client | {"sasl.password": SECRET})
    with open_log(kafka, kafka=settings) as log, pytest.raises(LogError) as caught:
        log.append(topic, [b"a"])
    assert "sasl" in str(caught.value).lower()
    assert SECRET not in str(caught.value)


def test_an_aborted_transaction_is_not_read_and_leaves_no_gap_between_spans(
    kafka: str, opened: Opened, topic: str
) -> None:
    log = opened()
    log.append(topic, [b"0"])
    producer = Producer({"bootstrap.servers": kafka.removeprefix("kafka://"), "transactional.id": topic})
    producer.init_transactions()
    for payloads, keep in (([b"x", b"y"], False), ([b"1", b"2"], True), ([b"z"], False)):
        producer.begin_transaction()
        for payload in payloads:
            producer.produce(topic, payload)
        producer.flush()
        if keep:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    log.append(topic, [b"3"])

    assert whole(log, topic) == [b"0", b"1", b"2", b"3"]
    with log.reader([topic], dict, 2) as reader:
        batches = read_to_the_end(reader)
    assert [p for batch in batches for p in batch.payloads] == [b"0", b"1", b"2", b"3"]
    assert batches[0].span.start == 0
    assert all(a.span.end == b.span.start for a, b in pairwise(batches))


def test_what_a_reader_acknowledges_is_committed_for_lag_tools(kafka: str, opened: Opened, topic: str) -> None:
    log = opened()
    log.append(topic, [b"%d" % i for i in range(7)])
    with log.reader([topic], dict, 100) as reader:
        while not (batches := reader.poll()):
            pass
        reader.acknowledge(batches[0].span)
    reader.acknowledge(batches[0].span)  # too late, and harmless

    consumer = Consumer({"bootstrap.servers": kafka.removeprefix("kafka://"), "group.id": topic})
    (committed,) = consumer.committed([TopicPartition(topic, 0)], timeout=10)
    consumer.close()
    assert committed.offset == 7


def test_what_the_group_has_committed_does_not_say_where_to_start(opened: Opened, topic: str) -> None:
    log = opened()
    log.append(topic, [b"0", b"1"])
    for _ in range(2):
        with log.reader([topic], dict, 100) as reader:
            while not (batches := reader.poll()):
                pass
            assert batches[0].span == Span(topic, 0, 0, 2, batches[0].span.epoch)
            reader.acknowledge(batches[0].span)


def test_a_ledger_that_cannot_be_asked_is_the_error_of_the_poll(opened: Opened, topic: str) -> None:
    def broken() -> dict[Partition, int]:
        raise StoreError("no store")

    log = opened()
    log.append(topic, [b"0"])
    with log.reader([topic], broken, 10) as reader, pytest.raises(StoreError, match="no store"):
        read_to_the_end(reader)


def test_an_inspection_says_what_there_is(opened: Opened, topic: str) -> None:
    log = opened(partitions=2)
    log.append(topic, [b"a", b"b", b"c"])
    first, ours, absent = log.inspect([topic, "no-such-topic"])
    assert first.good
    assert "127.0.0.1" in first.says
    assert (ours.good, ours.says) == (True, "2 partitions, ends at 3 in sum")
    assert "not there yet" in absent.says


def test_a_log_that_is_not_used_is_not_connected(tmp_path: Path) -> None:
    began = time.monotonic()
    with open_log(NOBODY):
        pass
    assert time.monotonic() - began < 1
