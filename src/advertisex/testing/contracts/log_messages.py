"""Messages of an event log: what is appended is read, in order, whole and within the limits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import LogError
from advertisex.logs.contract import READ_BYTES, EventLog
from advertisex.model import TOMBSTONE, Batch, Origin, Partition, Position, SourceLine, Span
from advertisex.testing.contracts.log_fixtures import LogFixtures, OpenLog


class LogMessages(LogFixtures):
    """The contract of `EventLog`, except for its readers."""

    def test_messages_are_read_in_the_order_in_which_they_were_appended(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"a", b"b"])
        log.append(topic, [b"c"])

        batch = log.read(topic, 0, 0, 10)

        assert_well_formed(batch)
        assert list(batch.payloads) == [b"a", b"b", b"c"]
        assert batch.span.of == Partition(topic, 0)
        assert batch.span.start == 0

    def test_the_time_of_each_message_is_that_of_its_append(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"a", b"b"])
        log.append(topic, [b"c"])

        first, second, third = log.read(topic, 0, 0, 10).ingested_at

        assert first <= second <= third
        assert second - first < 1_000_000  # one time per append, or one per message
        assert 1_500_000_000 < first / 1e6 < 32_503_680_000  # microseconds, not milliseconds or seconds

    def test_a_read_never_exceeds_its_limit_and_the_next_one_continues_where_it_ended(
        self, log: EventLog, topic: str
    ) -> None:
        log.append(topic, [b"%d" % i for i in range(10)])

        batch = log.read(topic, 0, 0, 3)

        assert_well_formed(batch)
        assert list(batch.payloads) == [b"0", b"1", b"2"]
        assert list(log.read(topic, 0, batch.span.end, 1).payloads) == [b"3"]

    def test_reading_may_start_in_the_middle_of_an_append(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"a", b"b", b"c"])
        log.append(topic, [b"d", b"e"])
        second = log.read(topic, 0, 0, 10).offsets[1]

        batch = log.read(topic, 0, second, 3)

        assert_well_formed(batch)
        assert batch.span.start == second
        assert list(batch.payloads) == [b"b", b"c", b"d"]

    def test_an_append_can_return_the_position_of_each_message(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"before"])
        messages = [b"%d" % i for i in range(2_500)]

        positions = log.append_each(topic, messages, origins=[Origin("requests", 2_500)])
        log.append(topic, [b"after"])

        batch = log.read(topic, 0, 0, 10_000)
        held = dict(zip(batch.offsets, batch.payloads, strict=True))
        assert [held[position.offset] for position in positions] == messages
        assert {(position.topic, position.partition) for position in positions} == {(topic, 0)}
        assert {log.origin(positions[at]) for at in (0, -1)} == {SourceLine("requests")}
        assert log.append_each(topic, []) == []

    def test_returned_positions_are_right_during_concurrent_appends(self, reopen_log: OpenLog, topic: str) -> None:
        """The messages of two concurrent appends may be interleaved in a partition."""

        def append(name: bytes) -> dict[Position, bytes]:
            with reopen_log() as log:
                runs = [[b"%s/%d/%d" % (name, run, i) for i in range(50)] for run in range(20)]
                return {p: m for run in runs for p, m in zip(log.append_each(topic, run), run, strict=True)}

        with ThreadPoolExecutor(2) as pool:
            returned = {
                position: message for one in pool.map(append, (b"a", b"b")) for position, message in one.items()
            }

        with reopen_log() as log:
            batch = log.read(topic, 0, 0, 10_000)
        assert {Position(topic, 0, o): m for o, m in zip(batch.offsets, batch.payloads, strict=True)} == returned

    @pytest.mark.parametrize("beyond", [0, 1, 1000])
    def test_reading_past_the_end_returns_an_empty_batch(self, log: EventLog, topic: str, beyond: int) -> None:
        log.append(topic, [b"a", b"b"])
        offset = log.end_offsets()[Partition(topic, 0)] + beyond

        batch = log.read(topic, 0, offset, 10)

        assert len(batch) == 0
        assert batch.span == Span(topic, 0, offset, offset)

    def test_reading_an_unknown_topic_returns_an_empty_batch(self, log: EventLog, topic: str) -> None:
        batch = log.read(topic, 0, 0, 10)

        assert len(batch) == 0
        assert batch.span == Span(topic, 0, 0, 0)

    def test_a_topic_is_read_as_soon_as_it_exists(self, log: EventLog, new_topic: Callable[[], str]) -> None:
        """A client may remember for a moment that a topic was absent."""
        for _ in range(5):
            topic = new_topic()
            assert len(log.read(topic, 0, 0, 10)) == 0
            log.append(topic, [b"a"])
            assert list(log.read(topic, 0, 0, 10).payloads) == [b"a"]

    def test_a_read_is_bounded_by_bytes(self, log: EventLog, topic: str) -> None:
        message = bytes(2**20)
        count = READ_BYTES // len(message) + 3
        for _ in range(count):
            log.append(topic, [message])

        batch = log.read(topic, 0, 0, count)

        assert_well_formed(batch)
        assert 0 < sum(map(len, batch.payloads)) <= READ_BYTES
        assert len(read_whole(log, topic)) == count

    def test_one_append_larger_than_a_read_is_read_in_parts(self, log: EventLog, topic: str) -> None:
        messages = [bytes([i]) * (READ_BYTES // 4) for i in range(6)]
        log.append(topic, messages)

        assert sum(map(len, log.read(topic, 0, 0, 6).payloads)) <= READ_BYTES
        assert read_whole(log, topic) == messages

    def test_a_single_message_may_be_larger_than_the_bound(self, log: EventLog, topic: str) -> None:
        giant = b"x" * (READ_BYTES + 1)
        log.append(topic, [b"before", giant, b"after"])

        assert read_whole(log, topic) == [b"before", giant, b"after"]

    def test_offsets_are_those_of_the_topics_that_are_asked_for(self, log: EventLog, topic: str) -> None:
        other = f"{topic}-other"
        log.append(topic, [b"a"])
        log.append(other, [b"b"])
        for offsets in (log.start_offsets, log.end_offsets):
            assert {partition.topic for partition in offsets([topic, f"{topic}-unknown"])} == {topic}
            assert {topic, other} <= {partition.topic for partition in offsets()}
            assert offsets([]) == {}
        assert log.held_back([topic]) == {}

    def test_empty_messages_are_messages(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"", b"a", b"", b""])
        log.append(topic, [b""])

        assert list(log.read(topic, 0, 0, 10).payloads) == [b"", b"a", b"", b"", b""]

    def test_appending_nothing_changes_nothing(self, log: EventLog, topic: str) -> None:
        log.append(topic, [])

        assert log.partitions(topic) == []
        log.append(topic, [b"a"])
        end = log.end_offsets()[Partition(topic, 0)]
        log.append(topic, [])
        assert log.end_offsets()[Partition(topic, 0)] == end

    def test_topics_do_not_mix(self, log: EventLog, topic: str) -> None:
        other = f"{topic}-other"
        log.append(topic, [b"a"])
        log.append(other, [b"x", b"y"])
        log.append(topic, [b"b"])

        assert list(log.read(topic, 0, 0, 10).payloads) == [b"a", b"b"]
        assert list(log.read(other, 0, 0, 10).payloads) == [b"x", b"y"]
        assert log.partitions(topic) == log.partitions(other) == [0]

    def test_the_end_offset_is_that_of_the_next_message(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"a", b"b"])
        end = log.end_offsets()[Partition(topic, 0)]
        log.append(topic, [b"c"])

        batch = log.read(topic, 0, end, 10)

        assert list(batch.payloads) == [b"c"]
        assert batch.offsets[0] == end
        assert log.end_offsets()[Partition(topic, 0)] == batch.span.end > end

    def test_a_topic_has_no_partition_before_something_is_appended(self, log: EventLog, topic: str) -> None:
        assert log.partitions(topic) == []
        assert not [p for p in log.end_offsets() if p.topic == topic]

    def test_appended_messages_survive_reopening(self, reopen_log: OpenLog, topic: str) -> None:
        with reopen_log() as log:
            log.append(topic, [b"a", b""])
        with reopen_log() as log:
            log.append(topic, [b"b"])
            batch = log.read(topic, 0, 0, 10)

        assert_well_formed(batch)
        assert list(batch.payloads) == [b"a", b"", b"b"]

    def test_the_identity_of_a_log_stays_the_same(self, reopen_log: OpenLog, topic: str) -> None:
        with reopen_log() as log:
            log.append(topic, [b"a"])
            before = log.identities([topic, "unknown-topic"])
            assert set(before) == {topic}
            assert before[topic]
            log.append(topic, [b"b"])
            assert log.identities([topic]) == before
        with reopen_log() as log:
            assert log.identities([topic]) == before

    def test_a_log_can_be_closed_twice(self, open_log: OpenLog, topic: str) -> None:
        log = open_log()
        log.append(topic, [b"a", b"b"])
        assert read_whole(log, topic) == [b"a", b"b"]
        log.close()
        log.close()

    def test_a_reader_sees_what_another_appended_meanwhile(self, reopen_log: OpenLog, topic: str) -> None:
        with reopen_log() as reader, reopen_log() as writer:
            writer.append(topic, [b"a"])
            first = reader.read(topic, 0, 0, 10)
            writer.append(topic, [b"b"])
            second = reader.read(topic, 0, first.span.end, 10)

        assert [list(first.payloads), list(second.payloads)] == [[b"a"], [b"b"]]

    def test_whatever_is_appended_is_read_back_with_any_limit(
        self, log: EventLog, new_topic: Callable[[], str]
    ) -> None:
        @settings(max_examples=30, deadline=None)
        @given(
            appends=st.lists(st.lists(st.binary(max_size=20), max_size=8), max_size=8),
            limit=st.integers(1, 12),
        )
        def check(appends: list[list[bytes]], limit: int) -> None:
            topic = new_topic()
            for messages in appends:
                log.append(topic, messages)

            expected = [message for messages in appends for message in messages]
            assert read_whole(log, topic, limit=limit) == expected
            whole = log.read(topic, 0, 0, len(expected) + 1)
            assert_well_formed(whole)
            for index, offset in enumerate(whole.offsets):
                assert list(log.read(topic, 0, offset, limit).payloads) == expected[index : index + limit]

        check()

    def test_erased_messages_are_overwritten_in_place_if_the_log_supports_it(self, log: EventLog, topic: str) -> None:
        for start in (0, 4):
            log.append(topic, [b"message %d" % number for number in range(start, start + 4)])
        before = log.read(topic, 0, 0, 10)
        if not log.erasable:
            with pytest.raises(LogError):
                log.erase(topic, 0, [1])
            assert log.read(topic, 0, 0, 10).payloads == before.payloads
            return

        log.erase(topic, 0, [5, 1, 7, 7, 99])
        log.erase("another", 0, [0])
        log.erase(topic, 1, [0])
        log.erase(topic, 0, [])

        kept = {0: b"message 0", 2: b"message 2", 3: b"message 3", 4: b"message 4", 6: b"message 6"}
        after = log.read(topic, 0, 0, 10)
        assert list(after.payloads) == [kept.get(offset, TOMBSTONE) for offset in range(8)]
        assert (list(after.offsets), after.ingested_at) == (list(before.offsets), before.ingested_at)
        assert log.end_offsets()[Partition(topic, 0)] == 8

    def test_the_id_of_an_append_identifies_its_messages_whatever_is_erased(
        self, log: EventLog, topic: str, identifies_appends: bool
    ) -> None:
        of = Partition(topic, 0)
        for messages in ([b"a", b"b"], [b"c"], [b"d", b"e"]):
            log.append(topic, messages)
        read = [log.read(topic, 0, offset, limit) for offset, limit in ((0, 1), (0, 2), (2, 1), (2, 2), (4, 9))]
        ids = [batch.append_id for batch in read]

        assert [log.append_ids({of: batch.span.end}).get(of, "") for batch in read] == ids
        if identifies_appends or any(ids):
            assert ids == [ids[0], ids[0], ids[2], ids[3], ids[3]]
            assert len(set(ids)) == 3
        assert log.append_ids({of: 0, Partition(topic, 1): 2, Partition("unknown", 0): 2}) == {}
        assert log.append_ids({of: 99}) == {}
        if log.erasable:
            log.erase(topic, 0, [0, 1, 2])
            assert [log.read(topic, 0, offset, 1).append_id for offset in (0, 2, 4)] == [ids[0], ids[2], ids[4]]


def read_whole(log: EventLog, topic: str, partition: int = 0, limit: int = 10_000) -> list[bytes]:
    """All messages of a partition, read like a consumer: each read continues where the last one ended."""
    found: list[bytes] = []
    offset = 0
    while len(batch := log.read(topic, partition, offset, limit)):
        found += batch.payloads
        offset = batch.span.end
    return found


def assert_well_formed(batch: Batch) -> None:
    assert len(batch) == len(batch.offsets) == len(batch.payloads) == len(batch.ingested_at)
    assert all(a < b for a, b in pairwise(batch.offsets))
    assert all(batch.span.start <= offset < batch.span.end for offset in batch.offsets)
