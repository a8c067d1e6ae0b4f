"""Readers of an event log: contiguous batches, starting at the ledger's positions."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from advertisex.errors import LogError
from advertisex.logs.contract import EventLog, LogReader
from advertisex.model import Batch, Partition
from advertisex.testing.contracts.log_fixtures import LogFixtures


class LogReaders(LogFixtures):
    """The contract of `LogReader`."""

    def test_it_reads_every_topic_to_the_end_without_gaps(
        self, log: EventLog, new_topic: Callable[[], str], topic: str
    ) -> None:
        log.append(topic, [b"a%d" % i for i in range(25)])
        b = new_topic()
        log.append(b, [b"b%d" % i for i in range(5)])
        log.append(new_topic(), [b"x"])

        with log.reader([topic, b], dict, 10) as reader:
            batches = until_caught_up(reader)

        assert sorted(payloads(batches)) == sorted([b"a%d" % i for i in range(25)] + [b"b%d" % i for i in range(5)])
        of_a = [batch.span for batch in batches if batch.span.topic == topic]
        assert of_a[0].start == 0
        assert all(left.end == right.start for left, right in pairwise(of_a))
        assert all(len(batch) <= 10 for batch in batches)

    def test_it_starts_at_the_ledger(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"0", b"1", b"2"])
        with log.reader([topic], lambda: {Partition(topic, 0): 2}, 10) as reader:
            assert payloads(until_caught_up(reader)) == [b"2"]

    def test_spans_carry_the_identity_of_the_log(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"0", b"1"])
        with log.reader([topic], dict, 1) as reader:
            assert {batch.span.log for batch in until_caught_up(reader)} == {log.identities([topic])[topic]}
            reader.rewind(Partition(topic, 0))
            again = until_caught_up(reader)
            assert again
            assert {batch.span.log for batch in again} == {log.identities([topic])[topic]}

    def test_it_reads_messages_that_are_appended_later(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"0"])
        with log.reader([topic], dict, 10) as reader:
            assert payloads(until_caught_up(reader)) == [b"0"]
            log.append(topic, [b"1"])
            found: list[Batch] = []
            while not found:
                found = reader.poll()
            assert payloads(found) == [b"1"]

    def test_what_was_read_before_a_rewind_is_no_longer_current(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"0", b"1", b"2"])
        ledger = {Partition(topic, 0): 0}
        with log.reader([topic], lambda: ledger, 10) as reader:
            (before,) = until_caught_up(reader)
            assert reader.is_current(before.span)
            ledger[Partition(topic, 0)] = 1  # another process committed the first
            reader.rewind(Partition(topic, 0))
            assert not reader.is_current(before.span)

            found: list[Batch] = []
            while not found:
                found = reader.poll()
            assert payloads(found) == [b"1", b"2"]
            assert reader.is_current(found[0].span)

    def test_nothing_is_current_after_it_was_closed(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"0"])
        reader = log.reader([topic], dict, 10)
        (batch,) = until_caught_up(reader)
        reader.acknowledge(batch.span)
        reader.close()
        reader.close()
        assert not reader.is_current(batch.span)

    def test_a_ledger_beyond_the_end_of_the_log_is_an_error(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"0"])
        with (
            log.reader([topic], lambda: {Partition(topic, 0): 7}, 10) as reader,
            pytest.raises(LogError),
        ):
            until_caught_up(reader)


def until_caught_up(reader: LogReader) -> list[Batch]:
    batches = reader.poll()
    while not reader.caught_up:
        batches += reader.poll()
    return batches


def payloads(batches: list[Batch]) -> list[bytes]:
    return [payload for batch in batches for payload in batch.payloads]
