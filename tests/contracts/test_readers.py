"""The contract of `LogReader`, for every log."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from advertisex.errors import LogError
from advertisex.logs.contract import EventLog, LogReader
from advertisex.model import Batch, Partition
from tests.contracts.log_places import LOGS, Place


@pytest.fixture(params=LOGS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with LOGS[request.param](request, tmp_path) as made:
        yield made


@pytest.fixture
def log(place: Place) -> Iterator[EventLog]:
    with place.open() as opened:
        yield opened


@pytest.fixture
def a(place: Place) -> str:
    """The name of a topic."""
    return place.topic("a")


def until_caught_up(reader: LogReader) -> list[Batch]:
    batches = reader.poll()
    while not reader.caught_up:
        batches += reader.poll()
    return batches


def payloads(batches: list[Batch]) -> list[bytes]:
    return [payload for batch in batches for payload in batch.payloads]


def test_it_reads_every_topic_to_the_end_without_gaps(log: EventLog, place: Place, a: str) -> None:
    log.append(a, [b"a%d" % i for i in range(25)])
    b = place.topic("b")
    log.append(b, [b"b%d" % i for i in range(5)])
    log.append(place.topic("other"), [b"x"])

    with log.reader([a, b], dict, 10) as reader:
        batches = until_caught_up(reader)

    assert sorted(payloads(batches)) == sorted([b"a%d" % i for i in range(25)] + [b"b%d" % i for i in range(5)])
    of_a = [batch.span for batch in batches if batch.span.topic == a]
    assert of_a[0].start == 0
    assert all(left.end == right.start for left, right in pairwise(of_a))
    assert all(len(batch) <= 10 for batch in batches)


def test_it_starts_at_the_ledger(log: EventLog, a: str) -> None:
    log.append(a, [b"0", b"1", b"2"])
    with log.reader([a], lambda: {Partition(a, 0): 2}, 10) as reader:
        assert payloads(until_caught_up(reader)) == [b"2"]


def test_spans_carry_the_identity_of_the_log(log: EventLog, a: str) -> None:
    log.append(a, [b"0", b"1"])
    with log.reader([a], dict, 1) as reader:
        assert {batch.span.log for batch in until_caught_up(reader)} == {log.identities([a])[a]}
        reader.rewind(Partition(a, 0))
        again = until_caught_up(reader)
        assert again
        assert {batch.span.log for batch in again} == {log.identities([a])[a]}


def test_it_reads_messages_that_are_appended_later(log: EventLog, a: str) -> None:
    log.append(a, [b"0"])
    with log.reader([a], dict, 10) as reader:
        assert payloads(until_caught_up(reader)) == [b"0"]
        log.append(a, [b"1"])
        found: list[Batch] = []
        while not found:
            found = reader.poll()
        assert payloads(found) == [b"1"]


def test_what_was_read_before_a_rewind_is_no_longer_current(log: EventLog, a: str) -> None:
    log.append(a, [b"0", b"1", b"2"])
    ledger = {Partition(a, 0): 0}
    with log.reader([a], lambda: ledger, 10) as reader:
        (before,) = until_caught_up(reader)
        assert reader.is_current(before.span)
        ledger[Partition(a, 0)] = 1  # another process committed the first
        reader.rewind(Partition(a, 0))
        assert not reader.is_current(before.span)

        found: list[Batch] = []
        while not found:
            found = reader.poll()
        assert payloads(found) == [b"1", b"2"]
        assert reader.is_current(found[0].span)


def test_nothing_is_current_after_it_was_closed(log: EventLog, a: str) -> None:
    log.append(a, [b"0"])
    reader = log.reader([a], dict, 10)
    (batch,) = until_caught_up(reader)
    reader.acknowledge(batch.span)
    reader.close()
    reader.close()
    assert not reader.is_current(batch.span)


def test_a_ledger_beyond_the_end_of_the_log_is_an_error(log: EventLog, a: str) -> None:
    log.append(a, [b"0"])
    with (
        log.reader([a], lambda: {Partition(a, 0): 7}, 10) as reader,
        pytest.raises(LogError, match="the ledger is at offset 7, but the log ends at 1"),
    ):
        until_caught_up(reader)
