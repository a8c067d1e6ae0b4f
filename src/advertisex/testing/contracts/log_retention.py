"""Retention of an event log: the oldest messages are removed, and everything else stays as it was."""

from collections.abc import Callable

import pytest

from advertisex.errors import LogError
from advertisex.logs.contract import EventLog, Limits
from advertisex.model import Origin, Partition, Position
from advertisex.testing.contracts.log_fixtures import LogFixtures, OpenLog
from advertisex.testing.contracts.log_messages import assert_well_formed
from advertisex.testing.contracts.log_readers import payloads, until_caught_up

#: Removes the messages of partition 0 of a topic below an offset, which is the start of an append.
RemoveBelow = Callable[[EventLog, str, int], None]


class LogRetention(LogFixtures):
    """What a log gives after messages were removed."""

    @pytest.fixture
    def remove_below(self) -> RemoveBelow:
        """Removes messages; override it for a log that is not `prunable`."""
        return prune_below

    def test_a_read_continues_with_the_first_message_that_is_kept(
        self, log: EventLog, topic: str, remove_below: RemoveBelow
    ) -> None:
        log.append(topic, [b"0", b"1"])
        log.append(topic, [b"2", b"3"])
        log.append(topic, [b"4"])
        before = log.identities([topic])
        assert log.start_offsets()[Partition(topic, 0)] == 0

        remove_below(log, topic, 2)

        for offset in (0, 1, 2):
            batch = log.read(topic, 0, offset, 2)
            assert_well_formed(batch)
            assert (batch.span.start, list(batch.offsets), list(batch.payloads)) == (offset, [2, 3], [b"2", b"3"])
            assert batch.lost == 2 - offset
            assert list(log.read(topic, 0, batch.span.end, 9).payloads) == [b"4"]
        assert log.start_offsets()[Partition(topic, 0)] == 2
        assert log.end_offsets()[Partition(topic, 0)] == 5
        assert log.identities([topic]) == before

    def test_offsets_continue_after_all_messages_were_removed(
        self, log: EventLog, topic: str, remove_below: RemoveBelow
    ) -> None:
        log.append(topic, [b"0", b"1"])
        remove_below(log, topic, 2)

        assert log.start_offsets()[Partition(topic, 0)] == log.end_offsets()[Partition(topic, 0)] == 2
        assert log.partitions(topic) == [0]
        nothing = log.read(topic, 0, 1, 9)
        assert (len(nothing), nothing.lost, nothing.span.start, nothing.span.end) == (0, 1, 1, 2)
        assert log.append_each(topic, [b"2"]) == [Position(topic, 0, 2)]
        assert list(log.read(topic, 0, 0, 9).offsets) == [2]

    def test_offsets_continue_after_a_log_without_messages_was_reopened(
        self, reopen_log: OpenLog, topic: str, remove_below: RemoveBelow
    ) -> None:
        with reopen_log() as log:
            log.append(topic, [b"0", b"1"])
            remove_below(log, topic, 2)
        with reopen_log() as log, reopen_log() as other:
            assert log.append_each(topic, [b"2"]) == [Position(topic, 0, 2)]
            assert other.append_each(topic, [b"3"]) == [Position(topic, 0, 3)]

    def test_a_removed_append_has_no_id(self, log: EventLog, topic: str, remove_below: RemoveBelow) -> None:
        log.append(topic, [b"0", b"1"])
        log.append(topic, [b"2"])
        kept = log.read(topic, 0, 2, 1).append_id
        remove_below(log, topic, 2)
        of = Partition(topic, 0)
        assert log.append_ids({of: 2}) == {}
        assert log.append_ids({of: 3}).get(of, "") == kept

    def test_state_survives_and_origins_are_removed_with_their_messages(
        self, log: EventLog, topic: str, remove_below: RemoveBelow
    ) -> None:
        for number in range(2):
            origins = [Origin(f"file{number}", 2, [7, 8])]
            log.append(topic, [b"a", b"b"], origins=origins, state={f"{topic}/{number}": b"x"})

        remove_below(log, topic, 2)

        assert [str(log.origin(Position(topic, 0, offset))) for offset in range(4)] == [
            "None", "None", "file1:7", "file1:8",
        ]  # fmt: skip
        assert log.state(topic) == {f"{topic}/0": b"x", f"{topic}/1": b"x"}

    def test_a_reader_continues_with_the_first_message_that_is_kept(
        self, log: EventLog, topic: str, remove_below: RemoveBelow
    ) -> None:
        log.append(topic, [b"0", b"1"])
        log.append(topic, [b"2"])
        remove_below(log, topic, 2)

        with log.reader([topic], dict, 10) as reader:
            (batch,) = until_caught_up(reader)

        assert (batch.span.start, batch.span.end, batch.lost) == (0, 3, 2)
        assert (list(batch.offsets), payloads([batch])) == ([2], [b"2"])

    def test_a_reader_of_a_log_without_messages_is_caught_up(
        self, log: EventLog, topic: str, remove_below: RemoveBelow
    ) -> None:
        log.append(topic, [b"0", b"1"])
        remove_below(log, topic, 2)

        with log.reader([topic], dict, 10) as reader:
            (empty,) = until_caught_up(reader)
            assert (len(empty), empty.span.start, empty.span.end, empty.lost) == (0, 0, 2, 2)
            log.append(topic, [b"2"])
            found = reader.poll()
            while not found:
                found = reader.poll()
            assert payloads(found) == [b"2"]

    def test_only_what_is_not_read_is_lost(self, log: EventLog, topic: str, remove_below: RemoveBelow) -> None:
        log.append(topic, [b"0", b"1"])
        log.append(topic, [b"2"])
        log.append(topic, [b"3"])
        with log.reader([topic], dict, 2) as reader:
            batches = reader.poll()
            while not batches:
                batches = reader.poll()
            remove_below(log, topic, 3)
            batches += until_caught_up(reader)
        lost = sum(batch.lost for batch in batches)
        assert len(payloads(batches)) + lost == batches[-1].span.end == 4

    def test_what_is_kept_can_be_verified(self, log: EventLog, topic: str, remove_below: RemoveBelow) -> None:
        for number in range(3):
            log.append(topic, [b"%d" % number, b"x"])
        remove_below(log, topic, 2)
        read: list[int] = []
        findings = log.verify([topic], read.append)
        assert [one for one in findings if not one.good] == []
        assert sum(read) == 4

    def test_only_whole_processed_appends_are_removed_the_oldest_first(
        self, log: EventLog, new_topic: Callable[[], str]
    ) -> None:
        a, b, unread = new_topic(), new_topic(), new_topic()
        for topic in (a, b, a, unread, a):
            log.append(topic, [b"x", b"y"])
        processed = {Partition(a, 0): 3, Partition(b, 0): 2}
        if not log.prunable:
            with pytest.raises(LogError, match="cannot remove messages"):
                log.prune(processed, Limits(size=0))
            with pytest.raises(LogError, match="cannot remove messages"):
                log.overdue(processed, Limits(size=0))
            return

        assert log.prune(processed, Limits()) == 0
        assert log.prune(processed, Limits(before=log.read(a, 0, 0, 1).ingested_at[0])) == 0
        assert removed(log, processed, Limits(size=0)) == 4

        assert log.start_offsets() == {Partition(a, 0): 2, Partition(b, 0): 2, Partition(unread, 0): 0}
        assert list(log.read(a, 0, 0, 9).offsets) == [2, 3, 4, 5]

    def test_messages_are_removed_by_the_time_of_their_append(self, log: EventLog, topic: str) -> None:
        if not log.prunable:
            pytest.skip("needs a log that can remove messages")
        for number in range(4):
            log.append(topic, [b"%d" % number])
        times = log.read(topic, 0, 0, 9).ingested_at

        removed(log, {Partition(topic, 0): 4}, Limits(before=times[2]))

        assert log.start_offsets()[Partition(topic, 0)] == sum(time < times[2] for time in times)

    def test_a_ledger_beyond_the_end_of_the_log_removes_nothing(self, log: EventLog, topic: str) -> None:
        if not log.prunable:
            pytest.skip("needs a log that can remove messages")
        log.append(topic, [b"0", b"1"])
        assert log.prune({Partition(topic, 0): 3, Partition("unknown", 0): 1}, Limits(size=0)) == 0
        assert log.prune({Partition(topic, 1): 2}, Limits(size=0)) == 0
        assert log.start_offsets() == {Partition(topic, 0): 0}

    def test_unprocessed_messages_beyond_the_limits_are_reported(self, log: EventLog, topic: str) -> None:
        if not log.prunable:
            pytest.skip("needs a log that can remove messages")
        log.append(topic, [b"0", b"1"])
        (appended_at, _) = log.read(topic, 0, 0, 9).ingested_at
        for limits in (Limits(size=1), Limits(before=appended_at + 1)):
            assert log.overdue({}, limits)
            assert log.overdue({Partition(topic, 0): 1}, limits)
            assert not log.overdue({Partition(topic, 0): 2}, limits)
        assert not log.overdue({}, Limits(before=appended_at, size=1_000))


def prune_below(log: EventLog, topic: str, offset: int) -> None:
    """Remove the messages of partition 0 of a topic below an offset, which is the start of an append."""
    removed(log, {Partition(topic, 0): offset}, Limits(size=0))


def removed(log: EventLog, processed: dict[Partition, int], limits: Limits) -> int:
    """Remove messages until none is left to remove; returns their number."""
    total = 0
    while step := log.prune(processed, limits):
        total += step
    return total
