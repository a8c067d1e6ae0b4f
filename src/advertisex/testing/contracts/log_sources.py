"""What a log keeps for its sources: the origin of each message, the state that came with it, and locks."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.logs.contract import EventLog
from advertisex.model import Origin, Partition, Position, SourceLine
from advertisex.testing.contracts.log_fixtures import LogFixtures, OpenLog

_LINES = st.one_of(
    st.builds(lambda first, count, step: range(first, first + count * step, step), *3 * [st.integers(1, 9)]),
    st.lists(st.integers(1, 10**9), min_size=1, max_size=9).map(sorted),
    st.integers(1, 9).map(lambda count: [0] * count),
)


class LogSources(LogFixtures):
    """The contract of origins, state and locks."""

    def test_each_message_has_the_origin_that_it_was_appended_with(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"a"])
        start = log.end_offsets()[Partition(topic, 0)]
        log.append(topic, [b"b", b"c", b"d", b"e"], origins=[Origin("x.csv", 2, [2, 9]), Origin("y:1", 1)])
        log.append(topic, [b"f"], origins=[Origin("z.csv", 1, range(7, 8))])

        assert [str(found) if (found := log.origin(at)) else None for at in positions(log, topic)] == [
            None,
            "x.csv:2",
            "x.csv:9",
            "y:1",
            None,
            "z.csv:7",
        ]
        assert log.origin(Position(topic, 0, start)) == SourceLine("x.csv", 2)
        assert log.origin(Position(topic, 0, start + 2)) == SourceLine("y:1")
        assert log.origin(Position(topic, 0, start + 99)) is None
        assert log.origin(Position(topic, 1, start)) is None
        assert log.origin(Position(f"{topic}-unknown", 0, 0)) is None

    def test_any_lines_are_read_back(self, log: EventLog, topic: str) -> None:
        @settings(max_examples=15, deadline=None)
        @given(st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), _LINES), max_size=4))
        def check(sources: list[tuple[str, Sequence[int]]]) -> None:
            origins = [Origin(name, len(lines), lines if any(lines) else ()) for name, lines in sources]
            before = len(positions(log, topic))
            log.append(topic, [b"m"] * sum(origin.messages for origin in origins), origins=origins)

            found = [log.origin(position) for position in positions(log, topic)[before:]]
            assert found == [SourceLine(name, line or None) for name, lines in sources for line in lines]

        check()

    def test_an_erasure_keeps_the_origin(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"a", b"b"], origins=[Origin("x", 2, [1, 2])])
        if log.erasable:
            log.erase(topic, 0, [1])
        assert [log.origin(at) for at in positions(log, topic)] == [SourceLine("x", 1), SourceLine("x", 2)]

    def test_state_changes_with_an_append(self, log: EventLog, topic: str) -> None:
        prefix = f"{topic}/"
        assert log.state(prefix) == {}
        log.append(topic, [b"a"], state={f"{prefix}x": b"1", f"{prefix}y": b""})
        log.append(topic, [b"b"])
        log.append(topic, [b"c"], state={f"{prefix}x": b"2", f"{prefix}unknown": None})
        assert log.state(prefix) == {f"{prefix}x": b"2", f"{prefix}y": b""}
        assert log.state(f"{prefix}x") == {f"{prefix}x": b"2"}
        assert log.state(f"{prefix}%") == log.state(f"{prefix}_") == {}

    def test_state_changes_without_messages(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"a"], state={f"{topic}/x": b"1"})
        end = log.end_offsets()[Partition(topic, 0)]
        log.append(topic, [], state={f"{topic}/x": None, f"{topic}/y": b"2"})
        assert log.state(f"{topic}/") == {f"{topic}/y": b"2"}
        assert log.end_offsets()[Partition(topic, 0)] == end

    def test_state_before_the_first_message(self, log: EventLog, topic: str) -> None:
        log.append(topic, [], state={f"{topic}/x": b"1"})
        assert log.state(f"{topic}/") == {f"{topic}/x": b"1"}
        assert log.partitions(topic) == []

    def test_state_and_origins_survive_reopening(self, reopen_log: OpenLog, topic: str) -> None:
        with reopen_log() as log:
            log.append(topic, [b"a"], origins=[Origin("x", 1, [3])], state={f"{topic}/x": bytes(range(256))})
        with reopen_log() as log:
            assert log.state(f"{topic}/") == {f"{topic}/x": bytes(range(256))}
            assert log.origin(positions(log, topic)[0]) == SourceLine("x", 3)

    def test_a_key_is_locked_once_until_the_log_is_closed(self, reopen_log: OpenLog, topic: str) -> None:
        with reopen_log() as second:
            with reopen_log() as first:
                assert first.lock(topic)
                assert first.lock(topic)
                assert not second.lock(topic)
                assert second.lock(f"{topic}/other")
            assert second.lock(topic)


def positions(log: EventLog, topic: str) -> list[Position]:
    """The positions of all messages of a topic's only partition."""
    return [Position(topic, 0, offset) for offset in log.read(topic, 0, 0, 100_000).offsets]
