"""The records of earlier responses are known by their hashes, in bounded numbers, across crashes."""

import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.ingestion.api.cursor_value import cursor_value
from advertisex.ingestion.api.seen import RECORDS, Seen
from tests.budget import examples

PREFIX = "api/1/x/seen/"


class State:
    """The state of a log, and what was written to it."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.written = 0

    def change(self, changed: dict[str, bytes | None]) -> None:
        for key, value in changed.items():
            self.kept.pop(key, None)
            if value is not None:
                self.kept[key] = value
                self.written += len(value)


def numbered(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


def respond(seen: Seen, messages: list[bytes], newest: str | None = None) -> list[bytes]:
    seen.begin_response()
    new = seen.unseen(messages, cursor_value(newest) if newest else None)
    seen.end_response()
    return [messages[index] for index in new]


def test_a_record_of_an_earlier_response_is_seen() -> None:
    seen = Seen(PREFIX)
    assert respond(seen, numbered(1, 2, 2)) == numbered(1, 2, 2)
    assert respond(seen, numbered(2, 3, 1, 3)) == numbered(3, 3)
    assert respond(seen, numbered(1, 2, 3)) == []


@settings(max_examples=examples(50))
@given(
    responses=st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=6),
    cuts=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=6, max_size=6),
)
def test_a_response_that_is_read_again_after_a_crash_appends_what_is_missing(
    responses: list[list[int]], cuts: list[tuple[int, int]]
) -> None:
    state, log, expected, before = State(), list[bytes](), Counter[bytes](), set[bytes]()
    unfinished: list[int] = []
    for response, cut in zip(responses, cuts, strict=False):
        messages = numbered(*response)
        expected.update(message for message in messages if message not in before)
        before.update(messages)
        for end in (min(cut), max(cut), len(messages)):  # two crashes, and then the whole response
            seen = Seen(PREFIX, state.kept, unfinished)
            seen.begin_response()
            for index in range(0, len(messages[:end]), 2):
                part = messages[index : min(index + 2, end)]
                log += [part[new] for new in seen.unseen(part)]
                if end == len(messages) and index + 2 >= end:
                    seen.end_response()
                state.change(seen.changes())
            if end == len(messages):
                seen.end_response()
            unfinished = seen.unfinished
    assert Counter(log) == expected


def test_the_records_that_were_not_seen_for_the_longest_time_are_forgotten() -> None:
    seen = Seen(PREFIX, records=100)
    respond(seen, numbered(*range(60)))
    seen.end_poll()
    respond(seen, numbered(*range(60, 90), *range(20)))
    seen.end_poll()
    assert respond(seen, numbered(*range(200, 245))) == numbered(*range(200, 245))
    assert seen.end_poll()[1] == 0
    assert len(seen) <= 100
    assert respond(seen, numbered(*range(20), *range(60, 90))) == []
    assert respond(seen, numbered(25))


@pytest.mark.parametrize(("horizon", "lost"), [(None, 50), ("2026-01-01", 50), ("2026-01-03", 0)])
def test_what_cannot_be_remembered_is_counted_if_it_may_come_again(horizon: str | None, lost: int) -> None:
    seen = Seen(PREFIX, records=100)
    for day in (1, 3):
        respond(seen, numbered(*range(75 * day, 75 * (day + 1))), f"2026-01-0{day}")
        seen.changes()
    assert seen.end_poll(cursor_value(horizon) if horizon else None)[1] == lost


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("size", [7, 50, 1050])
@pytest.mark.parametrize("count", [1001, 1050, 2500])
def test_a_source_with_too_many_records_gets_only_the_excess_again(count: int, size: int, restarted: bool) -> None:
    state, seen = State(), Seen(PREFIX, records=1000)
    for poll in range(5):
        new = 0
        for start in range(0, count, size):
            new += len(respond(seen, numbered(*range(start, min(start + size, count)))))
            state.change(seen.changes())
        changed, lost = seen.end_poll()
        state.change(changed)
        assert lost == count - 1000
        assert new == count if poll == 0 else new <= count - 1000
        assert len(seen) <= 1000
        seen = Seen(PREFIX, state.kept, records=1000) if restarted else seen


def test_what_comes_again_is_remembered_rather_than_what_does_not() -> None:
    seen = Seen(PREFIX, records=100)
    for poll in range(20):  # a window that moves over records that are not seen again
        assert len(respond(seen, numbered(*range(20 * poll, 20 * poll + 60)))) == (60 if poll == 0 else 20)
        seen.changes()
        assert seen.end_poll()[1] == 0


def test_records_before_the_horizon_are_forgotten_unless_the_poll_has_seen_them() -> None:
    state, seen = State(), Seen(PREFIX)
    for day in (1, 2, 3):
        respond(seen, numbered(day, day + 10), f"2026-01-0{day}")
        state.change(seen.changes())
        seen.end_poll()
    respond(seen, numbered(1, 4), "2026-01-04")
    state.change(seen.end_poll(cursor_value("2026-01-03"))[0])
    again = Seen(PREFIX, state.kept)
    assert respond(seen, numbered(1, 3, 13, 4, 2, 11, 12)) == numbered(2, 11, 12)
    assert respond(again, numbered(1, 3, 13, 4, 2, 12)) == numbered(2, 12)


@pytest.mark.parametrize("size", [1, 20, 300])
def test_what_is_written_is_proportional_to_what_is_new(size: int) -> None:
    state, seen, count = State(), Seen(PREFIX), 300
    for poll in range(count):
        assert len(respond(seen, numbered(*range(poll * size, (poll + 1) * size)))) == size
        state.change(seen.changes())
        state.change(seen.end_poll()[0])
    assert len(state.kept) < 100
    assert state.written < 6 * 16 * size * count + 100 * count
    assert respond(Seen(PREFIX, state.kept), numbered(*range(count * size))) == []


def test_a_poll_with_nothing_new_writes_nothing() -> None:
    seen = Seen(PREFIX)
    for _ in range(3):
        respond(seen, numbered(1, 2))
        seen.changes()
        last = seen.end_poll()
    assert last == ({}, 0)


def test_memory_and_state_are_bounded() -> None:
    state, limit, step = State(), RECORDS // 16, RECORDS // 160
    tracemalloc.start()
    seen = Seen(PREFIX, records=limit)
    for start in range(0, 3 * limit, step):
        respond(seen, numbered(*range(start, start + step)))
        state.change(seen.changes())
        state.change(seen.end_poll()[0])
    stored = sum(map(len, state.kept.values()))
    used = tracemalloc.get_traced_memory()[0] - stored
    tracemalloc.stop()
    assert len(seen) <= limit
    assert stored <= 20 * limit
    assert used < 25 * 2**20 * limit / RECORDS
    assert respond(Seen(PREFIX, state.kept, records=limit), numbered(*range(3 * limit - 100, 3 * limit))) == []
