"""What the Kafka log adds to the contract: partitions, groups, and errors of the brokers. Against a real one."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import chain, pairwise
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

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
    client = admin(kafka)  # must live until the answer: without it the future may never end
    client.delete_topics([topic])[topic].exception()


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
    assert "raise max.message.bytes of the topic" in caught.value.hint
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
    assert caught.value.hint == "check that Kafka runs there and can be reached, or name another with --log"
    assert capfd.readouterr() == ("", "")


class Web(BaseRequestHandler):
    """Answers as a web server does that does not understand the question."""

    def handle(self) -> None:
        self.request.recv(1024)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")


def test_what_answers_and_is_not_kafka_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.logs.kafka_topics.WAIT_SECONDS", 1.0)
    with ThreadingTCPServer(("127.0.0.1", 0), Web) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with open_log(f"kafka://127.0.0.1:{port}") as log, pytest.raises(LogError, match="does not speak as") as caught:
            log.end_offsets()
        server.shutdown()
    assert "receive.message.max.bytes" not in str(caught.value)
    assert caught.value.hint.startswith("check the host and port of --log")


def test_a_host_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.logs.kafka_topics.WAIT_SECONDS", 1.0)
    with open_log("kafka://nobody.invalid:9092") as log, pytest.raises(LogError, match=r"resolve 'nobody\.invalid"):
        log.append("t", [b"a"])


@pytest.mark.parametrize("url", ["kafka://", "kafka://:9092", "kafka://a:b", "kafka://a:1,", "kafka://a:9092/topic", "kafka://a:99999",
                                 "kafka://a:65536", "kafka://a:0"])  # fmt: skip
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
        with pytest.raises(ConfigurationError, match=r"kafka\.client") as wrongly:
            open_log(NOBODY, kafka=KafkaSettings(client=wrong | {"security.protocol": "SASL_SSL"} | wrong))
        assert wrongly.value.hint
        said += str(wrongly.value)
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
            assert batches[0].span == Span(topic, 0, 0, 2, batches[0].span.epoch, log.identities([topic])[topic])
            reader.acknowledge(batches[0].span)


def test_a_ledger_that_cannot_be_asked_is_the_error_of_the_poll(opened: Opened, topic: str) -> None:
    def broken() -> dict[Partition, int]:
        raise StoreError("no store")

    log = opened()
    log.append(topic, [b"0"])
    with log.reader([topic], broken, 10) as reader, pytest.raises(StoreError, match="no store"):
        read_to_the_end(reader)


def test_where_the_topics_end_can_be_asked_while_topics_are_made(kafka: str, opened: Opened, topic: str) -> None:
    """A broker hears of a topic a little later than who made it, and answers that it is not its leader."""
    log = opened()
    log.append(topic, [b"a"])
    client = admin(kafka)
    names = [f"test-{uuid4().hex}" for _ in range(12)]
    for name in names:
        client.create_topics([NewTopic(name, 8, 1)])[name].result()
        assert log.end_offsets()[Partition(topic, 0)] == 1
    for gone in client.delete_topics(names).values():
        gone.result()


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_where_the_topics_end_is_not_asked_for_ever(
    opened: Opened, topic: str, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """No broker of ours stays without a leader, so this one's answers are made up."""
    asked = 0

    def list_offsets(self: AdminClient, partitions: Iterable[TopicPartition], **_: object) -> dict[object, object]:
        nonlocal asked
        asked += 1
        answer: Future[object] = Future()
        answer.set_exception(KafkaException(KafkaError(code)))
        return dict.fromkeys(partitions, answer)

    log = opened()
    log.append(topic, [b"a"])
    monkeypatch.setattr(AdminClient, "list_offsets", list_offsets)
    monkeypatch.setattr("advertisex.logs.kafka_topics.WAIT_SECONDS", 0.5)

    with pytest.raises(LogError, match="cannot read where the topics end"):
        log.end_offsets()
    assert (asked > 1) is (code == KafkaError.NOT_LEADER_FOR_PARTITION)


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


@pytest.mark.parametrize("name", ["bad name", "a/b", "é", "x" * 250, ".", "..", ""])
def test_a_topic_that_kafka_cannot_have_is_a_wrong_configuration(opened: Opened, name: str) -> None:
    for log in (opened(), opened(create=False)):
        with pytest.raises(ConfigurationError, match="Kafka has no topics of the name") as caught:
            log.reader([name], dict, 1)
        assert "in the settings" in caught.value.hint


def test_partitions_and_replicas_that_kafka_does_not_make_are_a_wrong_configuration(kafka: str, topic: str) -> None:
    for settings, setting in (
        (KafkaSettings(partitions=100_000), "kafka.partitions"),
        (KafkaSettings(replication=9), "kafka.replication"),
    ):
        with open_log(kafka, kafka=settings) as log, pytest.raises(ConfigurationError, match="cannot make") as caught:
            log.append(topic, [b"a"])
        assert f"lower {setting}" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("partition.assignment.strategy", "range", "leave it out"),
        ("enable.auto.commit", "true", "leave it out"),
        ("isolation.level", "read_uncommitted", "leave it out"),
        ("group.id", "mine", "set kafka.group"),
        ("bootstrap.servers", "elsewhere:9092", "name the brokers with --log"),
    ],
)
def test_a_property_that_the_promises_depend_on_cannot_be_changed(
    kafka: str, topic: str, name: str, value: str, hint: str
) -> None:
    good = KafkaSettings(partitions=1, group=topic, client={"enable.auto.commit": "False"})
    with open_log(kafka, kafka=good) as log:
        log.append(topic, [b"a"])
        assert list(log.read(topic, 0, 0, 1).payloads) == [b"a"]
    with (
        pytest.raises(ConfigurationError, match=f"setting kafka.client: {name} cannot be changed") as caught,
        open_log(kafka, kafka=KafkaSettings(group=topic, client={name: value})) as log,
    ):
        log.reader([topic], dict, 1)
    assert caught.value.hint == hint
