"""The Kafka log beyond the contract: partitions, groups, broker errors. Runs against a real broker."""

import random
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from itertools import chain, pairwise
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from advertisex.codecs.unreadable import unwrap
from advertisex.errors import ConfigurationError, LogError, StoreError
from advertisex.feeds import FEEDS
from advertisex.ingestion.publish import Publisher
from advertisex.ingestion.records import Chunk
from advertisex.logs.contract import EventLog, LogReader
from advertisex.logs.kafka.client import Timeouts
from advertisex.logs.kafka.log import KafkaLog
from advertisex.logs.open import open_log
from advertisex.model import Batch, Partition, Span
from advertisex.settings.model import KafkaSettings

SOON = Timeouts(1.0)  # ten in production
SECRET = "geheim-0123456789"
SASL = {"security.protocol": "SASL_PLAINTEXT"}
NOBODY = "kafka://127.0.0.1:1"  # nothing listens on this port
GIANT = random.Random(1).randbytes(65 * 2**20)  # the test broker accepts 64 MiB, compressed

Opened = Callable[..., EventLog]


@pytest.fixture
def topic() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def opened(kafka: str, topic: str) -> Iterator[Opened]:
    """opened(partitions=, create=, **client): opens the log, with a consumer group for this test."""
    logs: list[EventLog] = []

    def make(*, partitions: int = 1, create: bool = True, **client: str) -> EventLog:
        properties = {name.replace("_", "."): value for name, value in client.items()}
        settings = KafkaSettings(partitions=partitions, group=topic, client=properties)
        logs.append(open_log(kafka, create=create, kafka=settings))
        return logs[-1]

    yield make
    for log in logs:
        log.close()
    client = admin(kafka)  # keep it alive until the response: otherwise the future may never complete
    client.delete_topics([topic])[topic].exception()


def admin(url: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": url.removeprefix("kafka://")})


def read_all(log: EventLog, topic: str, partition: int = 0) -> list[bytes]:
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


def test_a_topic_is_created_with_the_configured_partitions(opened: Opened, topic: str) -> None:
    log = opened(partitions=3)
    log.append(topic, [b"a"])
    assert log.partitions(topic) == [0, 1, 2]


def test_many_messages_are_spread_evenly_and_keep_their_order(opened: Opened, topic: str) -> None:
    log = opened(partitions=4)
    messages = [b"%06d" % i for i in range(80_000)]
    log.append(topic, messages)

    found = [read_all(log, topic, partition) for partition in range(4)]
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
    assert read_all(log, topic) == messages


def test_a_message_that_the_broker_rejects_is_an_error_with_its_size(opened: Opened, topic: str) -> None:
    log = opened()
    log.append(topic, [b"before"])
    with pytest.raises(LogError) as caught:
        log.append(topic, [GIANT])
    assert "1 of 1 messages were not acknowledged; one of 68,157,440 bytes exceeds" in str(caught.value)
    assert "raise max.message.bytes of the topic" in caught.value.hint
    assert topic in caught.value.where

    log.append(topic, [b"after"])
    assert read_all(log, topic) == [b"before", b"after"]


def test_a_topic_takes_exactly_the_messages_that_the_log_says(kafka: str, opened: Opened, topic: str) -> None:
    limited = NewTopic(topic, num_partitions=1, replication_factor=1, config={"max.message.bytes": "5000"})
    client = admin(kafka)
    client.create_topics([limited])[topic].result()
    log, name = opened(), "a folder/" * 50 + "a.json"
    most = log.message_bytes(topic)
    assert most is not None
    assert most > 4_800
    fits = random.Random(1).randbytes(most - len(name))

    Publisher(replace(FEEDS["impressions"], topic=topic), log).drain(
        name, [Chunk([fits, bytes(5_000), b"1"], [10**9] * 3)]
    )

    first, long, last = read_all(log, topic)
    found = unwrap(long)
    assert (first, last) == (fits, b"1")
    assert found is not None
    assert found.reason == "too_long"


def test_many_messages_are_no_larger_together_than_the_topic_takes(kafka: str, opened: Opened, topic: str) -> None:
    """The brokers reject a whole batch that is larger than `max.message.bytes`."""
    limited = NewTopic(topic, num_partitions=1, replication_factor=1, config={"max.message.bytes": "20000"})
    client = admin(kafka)
    client.create_topics([limited])[topic].result()
    log, source = opened(), random.Random(1)
    messages = [source.randbytes(500) for _ in range(400)]
    log.append(f"{topic}-other", [b"to a topic that takes more"])
    log.append(topic, messages)
    assert read_all(log, topic) == messages


def test_the_error_counts_the_missing_messages_and_the_others_stay(opened: Opened, topic: str) -> None:
    log = opened(batch_size="1000")
    with pytest.raises(LogError, match="1 of 3 messages were not acknowledged"):
        log.append(topic, [b"a", GIANT, b"b"])
    assert read_all(log, topic) == [b"a", b"b"]


def test_a_message_larger_than_the_queue_is_an_error_and_does_not_block(opened: Opened, topic: str) -> None:
    log = opened(queue_buffering_max_kbytes="1000")
    with pytest.raises(LogError, match="1 of 2 messages were not acknowledged"):
        log.append(topic, [b"a", bytes(2_000_000)])
    assert read_all(log, topic) == [b"a"]


def test_a_missing_topic_is_an_error_without_create(opened: Opened, topic: str) -> None:
    log = opened(create=False)
    with pytest.raises(LogError, match=f"topic not found: {topic}.*advertisex ingest"):
        log.reader([topic], dict, 10)
    assert log.partitions(topic) == []  # the query did not create it


def test_a_missing_topic_is_created_for_a_reader_with_create(opened: Opened, topic: str) -> None:
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
def test_unreachable_brokers_are_reported_within_the_timeout_and_without_other_output(
    ask: Callable[[EventLog], object], capfd: pytest.CaptureFixture[str]
) -> None:
    with KafkaLog(NOBODY, timeouts=SOON) as log, pytest.raises(LogError, match="connection refused") as caught:
        ask(log)
    assert "127.0.0.1:1" in caught.value.where
    assert caught.value.hint == "check that Kafka is running there and reachable, or pass another address with --log"
    assert capfd.readouterr() == ("", "")


class Web(BaseRequestHandler):
    """Responds like a web server to an invalid request."""

    def handle(self) -> None:
        self.request.recv(1024)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")


def test_a_server_that_is_not_kafka_is_reported_with_a_hint() -> None:
    with ThreadingTCPServer(("127.0.0.1", 0), Web) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with (
            KafkaLog(f"kafka://127.0.0.1:{port}", timeouts=SOON) as log,
            pytest.raises(LogError, match="is not a Kafka broker") as caught,
        ):
            log.end_offsets()
        server.shutdown()
    assert "receive.message.max.bytes" not in str(caught.value)
    assert caught.value.hint.startswith("check the host and port of --log")


def test_an_unknown_host_is_reported() -> None:
    with (
        KafkaLog("kafka://nobody.invalid:9092", timeouts=SOON) as log,
        pytest.raises(LogError, match="unknown host name"),
    ):
        log.append("t", [b"a"])


@pytest.mark.parametrize("url", ["kafka://", "kafka://:9092", "kafka://a:b", "kafka://a:1,", "kafka://a:9092/topic", "kafka://a:99999",
                                 "kafka://a:65536", "kafka://a:0"])  # fmt: skip
def test_a_url_without_brokers_is_rejected(url: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid Kafka URL"):
        open_log(url)


def test_a_url_may_have_several_brokers() -> None:
    with open_log("kafka://one:9092,two:9093,[::1]:9094") as log:
        assert isinstance(log, KafkaLog)


@pytest.mark.parametrize(
    ("client", "message"),
    [
        ({"sasl.jaas.config": SECRET}, "setting kafka.client: a Java JAAS configuration is not supported"),
        ({"session.timeout.ms": SECRET}, "setting kafka.client: session.timeout.ms: not a valid value"),
        ({"session.timeout.ms": "100000000"}, "session.timeout.ms: the value is outside the allowed range"),
        (
            {"sasl.mechanism": SECRET, **SASL},
            "setting kafka.client: this SASL mechanism is not supported; set sasl.mech",
        ),
        ({"sasl.mechanism": "GSSAPI", **SASL}, "this SASL mechanism is not supported; set sasl.mechanism to PLAIN, SC"),
        ({"sasl.mechanism": "PLAIN", **SASL}, "setting kafka.client: sasl.username and sasl.password must be set"),
        ({"sasl.passwd": SECRET}, "setting kafka.client: sasl.passwd: unknown property"),
        ({"ssl.key.pem": SECRET, "security.protocol": "SSL"}, "setting kafka.client: ssl.key.pem failed: not in PEM"),
        (
            {"sasl.mechanism": "OAUTHBEARER", "security.protocol": "SASL_SSL", "sasl.oauthbearer.method": "oidc"},
            "setting kafka.client: sasl.oauthbearer.token.endpoint.url must be set, too",
        ),
    ],
)
def test_an_invalid_property_is_named_without_its_value(client: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        KafkaLog(NOBODY, KafkaSettings(client=client), timeouts=SOON)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_no_secret_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    client = {"sasl.username": "ads", "sasl.password": SECRET, "sasl.mechanism": "PLAIN"}
    output = ""
    with KafkaLog(NOBODY, KafkaSettings(client=client | {"security.protocol": "SASL_PLAINTEXT"}), timeouts=SOON) as log:
        output += repr(log) + repr(vars(log))
        with pytest.raises(LogError) as caught:
            log.append("t", [b"a"])
        output += str(caught.value)
    for wrong in ({"security.protocol": SECRET}, {"ssl.key.pem": SECRET}, {"sasl.password": SECRET, "no.such": "1"}):
        with pytest.raises(ConfigurationError, match=r"kafka\.client") as wrongly:
            open_log(NOBODY, kafka=KafkaSettings(client=wrong | {"security.protocol": "SASL_SSL"} | wrong))
        assert wrongly.value.hint
        output += str(wrongly.value)
    with pytest.raises(ConfigurationError) as caught_url:
        open_log(f"kafka://ads:{SECRET}@broker:9092")
    output += str(caught_url.value) + "".join(capfd.readouterr())
    assert SECRET not in output


def test_a_login_to_brokers_without_sasl_is_an_error_that_mentions_sasl(kafka: str, topic: str) -> None:
    client = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "a"}
    settings = KafkaSettings(client=client | {"sasl.password": SECRET})
    with KafkaLog(kafka, settings, timeouts=Timeouts(2.0)) as log, pytest.raises(LogError) as caught:
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

    assert read_all(log, topic) == [b"0", b"1", b"2", b"3"]
    with log.reader([topic], dict, 2) as reader:
        batches = read_to_the_end(reader)
    assert [p for batch in batches for p in batch.payloads] == [b"0", b"1", b"2", b"3"]
    assert batches[0].span.start == 0
    assert len(batches) > 1
    assert all(a.span.end == b.span.start for a, b in pairwise(batches))


def test_acknowledged_offsets_are_committed_for_lag_tools(kafka: str, opened: Opened, topic: str) -> None:
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


def test_a_reader_does_not_start_at_the_committed_offsets(opened: Opened, topic: str) -> None:
    log = opened()
    log.append(topic, [b"0", b"1"])
    for _ in range(2):
        with log.reader([topic], dict, 100) as reader:
            while not (batches := reader.poll()):
                pass
            assert batches[0].span == Span(topic, 0, 0, 2, batches[0].span.epoch, log.identities([topic])[topic])
            reader.acknowledge(batches[0].span)


def test_an_error_of_the_ledger_is_raised_by_poll(opened: Opened, topic: str) -> None:
    def broken() -> dict[Partition, int]:
        raise StoreError("no store")

    log = opened()
    log.append(topic, [b"0"])
    with log.reader([topic], broken, 10) as reader, pytest.raises(StoreError, match="no store"):
        read_to_the_end(reader)


def test_end_offsets_can_be_read_while_topics_are_created(kafka: str, opened: Opened, topic: str) -> None:
    """A broker learns of a new topic a little later, and until then responds that it is not its leader."""
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
def test_end_offsets_are_not_retried_indefinitely(
    kafka: str, opened: Opened, topic: str, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The test broker always has a leader, so the responses of its client are faked."""
    asked = 0

    def list_offsets(self: AdminClient, partitions: Iterable[TopicPartition], **_: object) -> dict[object, object]:
        nonlocal asked
        asked += 1
        answer: Future[object] = Future()
        answer.set_exception(KafkaException(KafkaError(code)))
        return dict.fromkeys(partitions, answer)

    opened().append(topic, [b"a"])
    monkeypatch.setattr(AdminClient, "list_offsets", list_offsets)

    with (
        KafkaLog(kafka, timeouts=Timeouts(0.5)) as log,
        pytest.raises(LogError, match="cannot read the offsets of the topics"),
    ):
        log.end_offsets()
    assert (asked > 1) is (code == KafkaError.NOT_LEADER_FOR_PARTITION)


def test_inspect_reports_the_topics(opened: Opened, topic: str) -> None:
    log = opened(partitions=2)
    log.append(topic, [b"a", b"b", b"c"])
    first, ours, absent = log.inspect([topic, "no-such-topic"])
    assert first.good
    assert "127.0.0.1" in first.detail
    assert (ours.good, ours.detail) == (True, "2 partitions, end offsets total 3")
    assert "does not exist yet" in absent.detail


def test_an_unused_log_does_not_wait_for_its_brokers() -> None:
    with KafkaLog(NOBODY, timeouts=Timeouts(3_600.0)):  # longer than any test may take
        pass


@pytest.mark.parametrize("name", ["bad name", "a/b", "é", "x" * 250, ".", "..", ""])
def test_an_invalid_topic_name_is_a_configuration_error(opened: Opened, name: str) -> None:
    for log in (opened(), opened(create=False)):
        with pytest.raises(ConfigurationError, match="invalid Kafka topic name") as caught:
            log.reader([name], dict, 1)
        assert "in the settings" in caught.value.hint


def test_rejected_partitions_and_replicas_are_a_configuration_error(kafka: str, topic: str) -> None:
    for settings, setting in (
        (KafkaSettings(partitions=100_000), "kafka.partitions"),
        (KafkaSettings(replication=9), "kafka.replication"),
    ):
        with open_log(kafka, kafka=settings) as log, pytest.raises(ConfigurationError, match="cannot create") as caught:
            log.append(topic, [b"a"])
        assert f"lower {setting}" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("partition.assignment.strategy", "range", "remove it"),
        ("enable.auto.commit", "true", "remove it"),
        ("isolation.level", "read_uncommitted", "remove it"),
        ("group.id", "mine", "set kafka.group"),
        ("bootstrap.servers", "elsewhere:9092", "pass the brokers with --log"),
    ],
)
def test_a_fixed_property_cannot_be_changed(kafka: str, topic: str, name: str, value: str, hint: str) -> None:
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
