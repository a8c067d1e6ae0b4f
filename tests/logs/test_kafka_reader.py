"""Readers of one consumer group: assignment, batches in flight during a rebalance, and unavailable brokers."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from advertisex.errors import LogError
from advertisex.feeds import FEEDS
from advertisex.logs.contract import EventLog, LogReader
from advertisex.logs.kafka.client import Timeouts
from advertisex.logs.kafka.log import KafkaLog
from advertisex.logs.kafka.reader import KafkaReader
from advertisex.logs.open import open_log
from advertisex.model import Batch, Counts, Partition
from advertisex.processing.runner import Processing, process_log
from advertisex.settings.model import KafkaSettings
from advertisex.testing import memory_store
from tests.processing.messages import message
from tests.servers.kafka import LocalKafka

PARTITIONS = 4
EACH = 3_000
TIMEOUT = 60.0


@pytest.fixture
def topic() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def log(kafka: str, topic: str) -> Iterator[EventLog]:
    """A log of four partitions; the messages of each are its own offsets."""
    settings = KafkaSettings(partitions=PARTITIONS, group=topic, client={"session.timeout.ms": "3000"})
    with open_log(kafka, kafka=settings) as opened:
        for start in range(0, EACH, 500):
            for _ in range(PARTITIONS):  # round robin: once to each partition
                opened.append(topic, [b"%d" % offset for offset in range(start, start + 500)])
        yield opened
    admin = AdminClient({"bootstrap.servers": kafka.removeprefix("kafka://")})
    admin.delete_topics([topic])[topic].exception()


class Ledger:
    """A store that tracks positions, and rejects batches that do not continue at them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._positions: dict[Partition, int] = {}
        self.stored: dict[Partition, list[bytes]] = {}
        self.rejected = 0

    def positions(self) -> dict[Partition, int]:
        with self._lock:
            return dict(self._positions)

    def commit(self, batch: Batch) -> bool:
        with self._lock:
            if self._positions.get(batch.span.of, 0) != batch.span.start:
                self.rejected += 1
                return False
            self._positions[batch.span.of] = batch.span.end
            self.stored.setdefault(batch.span.of, []).extend(batch.payloads)
            return True

    @property
    def count(self) -> int:
        with self._lock:
            return sum(map(len, self.stored.values()))


class Worker(threading.Thread):
    """Works like the runner, but slowly enough to be interrupted."""

    def __init__(self, log: EventLog, topic: str, ledger: Ledger, pause: float = 0.1) -> None:
        super().__init__(daemon=True)
        self._work = (log, topic, ledger, pause)
        self.stop = threading.Event()
        self.held: set[Partition] = set()
        self.start()

    def run(self) -> None:
        log, topic, ledger, pause = self._work
        with log.reader([topic], ledger.positions, 200) as reader:
            while not self.stop.is_set():
                for batch in reader.poll():
                    time.sleep(pause)
                    if reader.is_current(batch.span):
                        if ledger.commit(batch):
                            reader.acknowledge(batch.span)
                            self.held.add(batch.span.of)
                        else:
                            reader.rewind(batch.span.of)

    def end(self) -> None:
        self.stop.set()
        self.join(TIMEOUT)
        assert not self.is_alive()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not happened():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def expected(topic: str) -> dict[Partition, list[bytes]]:
    return {Partition(topic, number): [b"%d" % offset for offset in range(EACH)] for number in range(PARTITIONS)}


def poll_until(readers: list[LogReader], happened: Callable[[], bool]) -> list[Batch]:
    batches: list[Batch] = []

    def polled() -> bool:
        for reader in readers:
            batches.extend(reader.poll())
        return happened()

    until(polled)
    return batches


def held(reader: LogReader) -> list[Partition]:
    assert isinstance(reader, KafkaReader)
    return reader._assignment.held()


def ended(reader: LogReader) -> set[Partition]:
    assert isinstance(reader, KafkaReader)
    return set(reader._ended)


def test_one_reader_reads_every_partition_without_a_gap(log: EventLog, topic: str) -> None:
    with log.reader([topic], dict, 700) as reader:
        batches = poll_until([reader], lambda: reader.caught_up)

    for partition, payloads in expected(topic).items():
        ours = [batch for batch in batches if batch.span.of == partition]
        assert [payload for batch in ours for payload in batch.payloads] == payloads
        assert len(ours) > 1
        assert all(a.span.end == b.span.start for a, b in pairwise(ours))


def test_readers_that_join_and_leave_store_everything_once_and_in_order(log: EventLog, topic: str) -> None:
    ledger = Ledger()
    first = Worker(log, topic, ledger)
    until(lambda: ledger.count > EACH // 4)
    second = Worker(log, topic, ledger)
    until(lambda: bool(second.held))
    first.end()
    third = Worker(log, topic, ledger)
    until(lambda: ledger.count == EACH * PARTITIONS)
    second.end()
    third.end()
    assert ledger.stored == expected(topic)


def test_a_batch_of_a_partition_that_moved_is_no_longer_current_and_one_that_stayed_is(
    log: EventLog, topic: str
) -> None:
    # the ledger of this test never advances
    with log.reader([topic], dict, 700) as old:
        before = poll_until([old], lambda: old.caught_up)
        assert {batch.span.of for batch in before} == expected(topic).keys()
        assert all(old.is_current(batch.span) for batch in before)

        with log.reader([topic], dict, 700) as new:
            moved = poll_until(
                [old, new], lambda: len(held(new)) == 2 and all(set(held(one)) == ended(one) for one in (old, new))
            )
            reassigned = {batch.span.of for batch in moved}
            assert len(reassigned) == 2  # only the two that moved are read again
            assert {batch.span.of for batch in before if old.is_current(batch.span)} == expected(
                topic
            ).keys() - reassigned
            assert all(new.is_current(batch.span) for batch in moved)


def test_a_reader_is_caught_up_when_the_ledger_shows_that_the_others_are_too(kafka: str, topic: str) -> None:
    settings = KafkaSettings(partitions=1, group=topic, client={"session.timeout.ms": "3000"})
    ledger = Ledger()
    with open_log(kafka, kafka=settings) as log:
        log.append(topic, [b"0"])
        with log.reader([topic], ledger.positions, 10) as one, log.reader([topic], ledger.positions, 10) as other:
            assert not one.caught_up
            (batch,) = poll_until([one, other], lambda: one.caught_up or other.caught_up)
            with_it, without = (one, other) if held(one) else (other, one)
            assert (with_it.caught_up, without.caught_up) == (True, False)
            ledger.commit(batch)
            poll_until([one, other], lambda: one.caught_up and other.caught_up)
            assert len(held(one) + held(other)) == 1


def test_a_reader_takes_over_what_another_left_unread_before_it_is_caught_up(log: EventLog, topic: str) -> None:
    ledger = Ledger()
    read: list[Batch] = []

    def assigned() -> bool:
        leaves.poll()
        return len(held(stays)) == len(held(leaves)) == PARTITIONS // 2

    with log.reader([topic], ledger.positions, 700) as stays:
        with log.reader([topic], ledger.positions, 700) as leaves:
            read += poll_until([stays], assigned)
            ours = set(held(stays))
            read += poll_until([stays], lambda: ours <= ended(stays))
            assert not stays.caught_up
        read += poll_until([stays], lambda: stays.caught_up)
    assert {batch.span.of for batch in read if batch.span.end == EACH} == expected(topic).keys()


@pytest.mark.parametrize(("client", "stalled"), [("rdkafka", 3.0), ("advertisex", 0.3)])
def test_partitions_of_a_foreign_consumer_are_an_error_that_names_them_and_the_group(
    log: EventLog, kafka: str, topic: str, client: str, stalled: float
) -> None:
    """A member that does not advance our ledger is another application, or writes into another store."""
    foreign = Consumer({
        "bootstrap.servers": kafka.removeprefix("kafka://"), "group.id": topic, "client.id": client,
        "partition.assignment.strategy": "cooperative-sticky", "auto.offset.reset": "earliest",
    })  # fmt: skip
    foreign.subscribe([topic])
    until(lambda: foreign.poll(0.1) is not None)
    ledger = Ledger()

    def read_to_the_end(reader: LogReader) -> None:
        while not reader.caught_up:
            foreign.poll(0)
            for batch in reader.poll():
                ledger.commit(batch)

    with (
        KafkaLog(kafka, KafkaSettings(group=topic), timeouts=Timeouts(stalled=stalled)) as ours,
        ours.reader([topic], ledger.positions, 3_000) as reader,
        pytest.raises(LogError) as caught,
    ):
        read_to_the_end(reader)
    assert "2 partitions are not processed into this store: " in caught.value.what
    assert {f"{p.topic}/{p.partition}" in caught.value.what for p in ledger.positions()} == {False}
    assert f"(client {client} at 127.0.0.1)" in caught.value.what
    assert caught.value.where.startswith(f"consumer group {topic} at ")
    assert "kafka.group" in caught.value.hint
    foreign.close()


def test_rewinds_at_any_time_never_skip_or_repeat_a_message(log: EventLog, topic: str) -> None:
    chance = random.Random(4)
    ledger = {Partition(topic, number): 0 for number in range(PARTITIONS)}
    ended = threading.Event()

    with log.reader([topic], lambda: dict(ledger), 150) as reader:

        def rewind_repeatedly() -> None:
            while not ended.is_set():
                partition = Partition(topic, chance.randrange(PARTITIONS))
                ledger[partition] = chance.randrange(EACH)
                reader.rewind(partition)
                time.sleep(chance.choice([0, 0.001, 0.02]))

        other = threading.Thread(target=rewind_repeatedly)
        other.start()
        seen: dict[tuple[Partition, int], int] = {}
        until_then = time.monotonic() + 5
        count = 0
        while time.monotonic() < until_then:
            for batch in reader.poll():
                count += 1
                assert list(batch.payloads) == [b"%d" % offset for offset in batch.offsets]
                assert list(batch.offsets) == list(range(batch.span.start, batch.span.end))
                assign = (batch.span.of, batch.span.epoch)
                assert seen.get(assign, batch.span.start) == batch.span.start
                seen[assign] = batch.span.end
        ended.set()
        other.join()
    assert count > 50


def test_messages_deleted_by_retention_are_counted_in_a_warning(kafka: str, log: EventLog, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.removeprefix("kafka://")})
    (deleted,) = admin.delete_records([TopicPartition(topic, 0, 500)]).values()
    deleted.result()
    ledger = {Partition(topic, 0): 20}

    with capture_logs() as logged, log.reader([topic], lambda: ledger, 200) as reader:
        batches = poll_until([reader], lambda: reader.caught_up)

    ours = [batch for batch in batches if batch.span.of == Partition(topic, 0)]
    assert ours[0].span.start == 20
    assert ours[0].offsets[0] == 500
    assert [batch.lost for batch in ours] == [480, *[0] * (len(ours) - 1)]
    assert [line for line in logged if line["log_level"] == "warning"] == [
        {
            "event": "messages lost: deleted by retention before they were read",
            "partition": f"{topic}/0",
            "count": 480,
            "log_level": "warning",
        }
    ]
    assert log.read(topic, 0, 20, 5).offsets == [500, 501, 502, 503, 504]


def test_a_partition_emptied_by_retention_is_reported_too(kafka: str, log: EventLog, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.removeprefix("kafka://")})
    (deleted,) = admin.delete_records([TopicPartition(topic, 0, -1)]).values()
    deleted.result()
    with capture_logs() as logged, log.reader([topic], dict, 200) as reader:
        batches = poll_until([reader], lambda: reader.caught_up)
    (ours,) = [batch for batch in batches if batch.span.of == Partition(topic, 0)]
    assert (len(ours), ours.lost, ours.span.end) == (0, EACH, EACH)
    assert {line["count"] for line in logged if line["log_level"] == "warning"} == {EACH}


def test_a_ledger_of_another_log_is_an_error_for_an_empty_partition_too(kafka: str, topic: str) -> None:
    with open_log(kafka, kafka=KafkaSettings(partitions=1, group=topic)) as log:
        with log.reader([topic], lambda: {Partition(topic, 0): 9}, 10) as reader, pytest.raises(LogError) as caught:
            poll_until([reader], lambda: reader.caught_up)
        assert "the ledger is at offset 9, but the log ends at 0" in str(caught.value)


def test_no_message_of_a_recreated_topic_is_taken_for_one_of_the_old(kafka: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.removeprefix("kafka://")})
    with open_log(kafka, kafka=KafkaSettings(partitions=1, group=topic)) as log:
        log.append(topic, [b"old"] * 10)
        with log.reader([topic], dict, 1_000) as reader:
            (old,) = {batch.span.log for batch in poll_until([reader], lambda: reader.caught_up)}
            admin.delete_topics([topic])[topic].result()
            until(lambda: topic not in admin.list_topics(timeout=10).topics)
            # until the consumer notices, it continues at offset 10 of the new topic
            with open_log(kafka, kafka=KafkaSettings(partitions=1, group=topic)) as writer:
                writer.append(topic, [b"new"] * 30)

            def is_told_apart() -> bool:
                try:
                    logs = {batch.span.log for batch in reader.poll()}
                except LogError as error:
                    return "this is not the log that was processed" in str(error)
                assert old not in logs
                return bool(logs)  # assigned anew: the ledger refuses another log

            until(is_told_apart)
    admin.delete_topics([topic])[topic].exception()


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalKafka]:
    """A broker that tests may stop."""
    with LocalKafka() as started:
        yield started


def test_readers_and_writers_survive_a_broker_restart(
    broker: LocalKafka, topic: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_log(broker.url, kafka=KafkaSettings(partitions=1, group=topic)) as log:
        log.append(topic, [b"0"])
        ledger: dict[Partition, int] = {}
        # the group may assign the partition anew once the broker is back: then reading begins where the ledger is
        with capture_logs() as logged, log.reader([topic], ledger.copy, 10) as reader:
            poll_until([reader], lambda: reader.caught_up)
            ledger[Partition(topic, 0)] = 1
            broker.stop()
            writer = threading.Thread(target=log.append, args=(topic, [b"1"]))  # waits for the broker
            writer.start()
            until_then = time.monotonic() + 3
            polls = 0
            while time.monotonic() < until_then:
                assert reader.poll() == []
                polls += 1
            assert polls < 60  # no busy loop
            broker.start()
            read: list[bytes] = []
            until(lambda: read.extend(p for batch in reader.poll() for p in batch.payloads) or bool(read))
        writer.join()
        assert read == [b"1"]
        warnings = [line for line in logged if line["log_level"] == "warning"]
        assert len(warnings) == 1
        assert "Kafka error, retrying" in warnings[0]["event"]
    assert capfd.readouterr() == ("", "")


def test_processing_that_starts_while_kafka_is_away_waits_for_it(broker: LocalKafka, topic: str) -> None:
    processing = Processing({"clicks": replace(FEEDS["clicks"], topic=topic)}, follow=True, waits=True)
    settings, stop, counts = KafkaSettings(partitions=1, group=topic), threading.Event(), list[Counts]()
    with open_log(broker.url, kafka=settings) as writer:
        writer.append(topic, [message("clicks")])
    broker.stop()
    with open_log(broker.url, kafka=settings) as log, memory_store() as store, capture_logs() as logged:
        worker = threading.Thread(target=lambda: counts.append(process_log(log, store, processing, stop=stop)))
        worker.start()
        until(lambda: bool(logged))
        broker.start()
        until(lambda: store.positions() == {Partition(topic, 0): 1})
        stop.set()
        worker.join()
    assert counts == [Counts(read=1, stored=1)]
    assert logged[0]["event"] == "waiting for a server; nothing is lost"


def test_a_reader_that_lost_its_partitions_is_not_caught_up_until_reassigned(broker: LocalKafka, topic: str) -> None:
    client = {"session.timeout.ms": "1500"}
    with open_log(broker.url, kafka=KafkaSettings(partitions=1, group=topic, client=client)) as log:
        log.append(topic, [b"0"])
        with log.reader([topic], dict, 10) as reader:
            (before,) = poll_until([reader], lambda: reader.caught_up)
            broker.pause()  # heartbeats time out
            try:
                poll_until([reader], lambda: not reader.caught_up)
                assert not reader.is_current(before.span)
            finally:
                broker.resume()
            (after,) = poll_until([reader], lambda: reader.caught_up)
            assert after.payloads == before.payloads
            assert reader.is_current(after.span)


def test_a_broker_that_does_not_respond_is_an_error_after_the_configured_timeout(
    broker: LocalKafka, topic: str
) -> None:
    settings = KafkaSettings(partitions=1, group=topic, client={"message.timeout.ms": "1500"})
    with open_log(broker.url, kafka=settings) as log:
        log.append(topic, [b"0"])
        broker.pause()
        try:
            with pytest.raises(LogError, match="2 of 2 messages were not acknowledged"):
                log.append(topic, [b"1", b"2"])
        finally:
            broker.resume()
        log.append(topic, [b"3"])
        found = log.read(topic, 0, 0, 10).payloads
        assert found[0] == b"0"
        assert found[-1] == b"3"  # 1 and 2 may have been appended or not
