"""Sessions end and are bounded; failures are counted in bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.settings.web import TokenSettings
from advertisex.web import sessions, throttle
from advertisex.web.sessions import LASTS, Sessions
from advertisex.web.throttle import MOST_FAILURES, MOST_IN_TOTAL, Throttle
from advertisex.web.tokens import hash_of, holder_of, new_token


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def holder(name: str) -> TokenSettings:
    return TokenSettings(name=name, role="viewer", hash=hash_of(name))


def test_a_session_ends_after_its_time_whether_used_or_not() -> None:
    clock = Clock()
    opened = Sessions(clock)
    session = opened.begin(holder("a"))
    clock.now += LASTS - 1
    assert opened.holder(session) == holder("a")
    clock.now += 1
    assert opened.holder(session) is None
    clock.now -= LASTS
    assert opened.holder(session) is None
    opened.end(session)


def test_the_sessions_of_a_token_are_bounded_and_end_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MOST_SESSIONS", 3)
    opened = Sessions()
    other = opened.begin(holder("other"))
    mine = [opened.begin(holder("mine")) for _ in range(5)]
    assert [opened.holder(one) is not None for one in mine] == [False, False, True, True, True]
    assert opened.holder(other) == holder("other")
    assert len(set(mine)) == 5


@given(st.lists(st.tuples(st.sampled_from(["a", "192.0.2.1", "2001:db8::1", "2001:db8::2", ""]), st.integers(0, 70))))
def test_an_address_waits_if_it_failed_too_often_within_a_minute(failures: list[tuple[str, int]]) -> None:
    clock = Clock()
    watched = Throttle(clock)
    for address, pause in failures:
        clock.now += pause
        watched.failed(address)
        assert 0 <= watched.waits(address) <= 60
        assert watched.waits("198.51.100.1") == 0
    clock.now += 60
    assert not any(watched.waits(address) for address, _ in failures)


def test_one_address_more_than_allowed_waits_until_its_minute_ends() -> None:
    clock = Clock()
    watched = Throttle(clock)
    assert [watched.failed("::ffff:192.0.2.1") for _ in range(MOST_FAILURES)] == [0] * MOST_FAILURES
    clock.now += 20
    assert watched.failed("::ffff:192.0.2.1") == watched.waits("::ffff:192.0.2.1") == 40
    assert watched.waits("::ffff:192.0.2.2") == 0
    clock.now += 40
    assert watched.failed("::ffff:192.0.2.1") == 0


def test_many_addresses_are_slowed_down_together_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_MOST_ADDRESSES", 50)
    watched = Throttle(Clock())
    waits = [watched.failed(f"10.0.{number >> 8}.{number & 255}") for number in range(1_000)]
    assert waits == [0] * MOST_IN_TOTAL + [60] * (1_000 - MOST_IN_TOTAL)
    assert len(watched._seen) <= 51


@given(st.text())
def test_only_the_token_itself_has_its_hash(text: str) -> None:
    token = new_token()
    known = [holder("a"), TokenSettings(name="b", role="operator", hash=hash_of(token)), holder("c")]
    assert holder_of(token, known) == known[1]
    assert holder_of(f"{token}{text}", known) == (None if text else known[1])
    assert holder_of(text, known[1:2]) is None
    assert len(token) >= 43
