"""How alerts stand: by hand, and that for any course of things nothing is told twice and nothing is forgotten."""

from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from advertisex.monitoring.rules import Evaluation, Key
from advertisex.monitoring.states import (
    REMEMBERED,
    UNEVALUATED,
    Due,
    State,
    States,
    cleared,
    delivered,
    due,
    failed,
    step,
)

START = datetime(2026, 3, 2)
BUCKET = timedelta(minutes=15)
KEY = Key("volume", "clicks", None)
OTHER = Key("silence", "bids", None)
NEVER = timedelta(0)


def evaluation(place: int, bad: bool, key: Key = KEY) -> Evaluation:
    return Evaluation(key, START + place * BUCKET, bad, 3.0 if bad else 10.0, 10.0, 5.0, 20.0)


def after(course: str, states: States | None = None, start: int = 0, cooldown: timedelta = NEVER) -> dict[Key, State]:
    """The states after a course of buckets: b is bad, g is good, - is one that cannot be judged."""
    found = [evaluation(start + place, one == "b") for place, one in enumerate(course) if one != "-"]
    return step(states or {}, found, {"volume": "warning", "silence": "critical"}, 2, cooldown)


@pytest.mark.parametrize(
    ("course", "status", "since", "ended"),
    [
        ("g", None, None, None),
        ("b", "pending", 0, None),
        ("bg", None, None, None),
        ("gbb", "firing", 1, None),
        ("b-b", "firing", 0, None),
        ("bbg", "firing", 0, 2),
        ("bbgb", "firing", 0, None),
        ("bbgg", "resolved", 0, 2),
        ("bb-g-g", "resolved", 0, 3),
        ("bbgbgg", "resolved", 0, 4),
        ("bbggb", "pending", 4, None),
        ("bbggbb", "firing", 4, None),
        ("bbggbg", "resolved", 0, 2),
    ],
)
def test_the_course_of_an_alert(course: str, status: str | None, since: int | None, ended: int | None) -> None:
    state = after(course).get(KEY)
    if status is None:
        assert state is None
        return
    assert state is not None
    assert (state.status, state.since) == (status, START + (since or 0) * BUCKET)
    assert state.ended == (None if ended is None else START + ended * BUCKET)


def test_a_bucket_that_was_seen_before_changes_nothing() -> None:
    states = after("bb")
    assert after("bb", states) == states
    assert after("gg", states) == states


def test_a_channel_is_told_once_that_it_fires_and_once_that_it_is_resolved() -> None:
    now = START + 3 * BUCKET
    states = after("bb")
    assert due(states, "a", now) == [Due(KEY, START, "firing")]
    states = delivered(states, "a", due(states, "a", now), now)
    assert due(states, "a", now) == []
    assert due(states, "b", now) == [Due(KEY, START, "firing")], "another channel does not know it yet"

    states = after("gg", states, start=2)
    assert due(states, "a", now) == [Due(KEY, START, "resolved")]
    assert due(states, "b", now) == [Due(KEY, START, "over")]
    states = delivered(delivered(states, "a", due(states, "a", now), now), "b", due(states, "b", now), now)
    assert due(states, "a", now) == due(states, "b", now) == []


def test_what_fires_again_within_the_cooldown_is_told_when_it_has_passed_and_only_if_it_still_fires() -> None:
    cooldown, notified_at = timedelta(hours=4), START + 2 * BUCKET
    states = after("bb", cooldown=cooldown)
    states = delivered(states, "a", due(states, "a", notified_at), notified_at)
    states = after("gg", states, 2, cooldown)
    states = delivered(states, "a", due(states, "a", notified_at), notified_at)
    states = after("bb", states, 4, cooldown)

    assert due(states, "a", notified_at + cooldown - timedelta(seconds=1)) == []
    assert due(states, "a", notified_at + cooldown) == [Due(KEY, START + 4 * BUCKET, "firing")]
    over = after("gg", states, 6, cooldown)
    assert due(over, "a", notified_at + cooldown) == [], "it came and went without a word"
    much_later = after("g" * 20, over, 8, cooldown)
    assert due(much_later, "a", notified_at + 2 * cooldown) == [], "nor is anything said later"


def test_a_blip_changes_nothing_about_the_cooldown() -> None:
    cooldown, notified_at = timedelta(hours=4), START + 2 * BUCKET
    states = after("bb", cooldown=cooldown)
    states = delivered(states, "a", due(states, "a", notified_at), notified_at)
    states = after("gg", states, 2, cooldown)
    states = delivered(states, "a", due(states, "a", notified_at), notified_at)
    states = after("bb", after("bg", states, 4, cooldown), 6, cooldown)

    assert states[KEY].status == "firing"
    assert due(states, "a", notified_at + cooldown - timedelta(seconds=1)) == []
    assert due(states, "a", notified_at + cooldown) == [Due(KEY, START + 6 * BUCKET, "firing")]


def told_that_it_fires(*channels: str) -> dict[Key, State]:
    states = after("bb")
    for channel in channels:
        states = delivered(states, channel, due(states, channel, START), START)
    return states


@pytest.mark.parametrize("course", ["gggb", "gggbg", "gggbb", "gggbbb", "ggbbggbb", "ggbbggbggbbgg"])
def test_the_end_is_told_whatever_follows_it(course: str) -> None:
    now = START + 20 * BUCKET
    states = after(course, told_that_it_fires("a"), 2)
    assert due(states, "a", now) == [Due(KEY, START, "resolved")], "before anything else"
    states = delivered(states, "a", due(states, "a", now), now)
    assert all(one.since > START for one in due(states, "a", now))
    if states[KEY].status == "firing":
        assert due(states, "a", now) == [Due(KEY, states[KEY].since, "firing")]


def test_an_incident_is_kept_until_each_channel_that_knows_of_it_is_told_its_end() -> None:
    now = START + 4 * BUCKET
    states = after("gg", told_that_it_fires("a", "b"), 2)
    states = delivered(states, "a", due(states, "a", now), now)
    states = failed(after("bb", states, 4), "b", due(states, "b", now), "no")
    first = states[KEY].last
    assert first is not None
    assert first.undelivered == {"b": "no"}
    assert due(states, "a", now) == [Due(KEY, START + 4 * BUCKET, "firing")]
    assert due(states, "b", now) == [Due(KEY, START, "resolved")]
    states = delivered(states, "b", due(states, "b", now), now)
    assert due(states, "b", now) == [Due(KEY, START + 4 * BUCKET, "firing")]
    assert after("ggbb", states, 6)[KEY].last is None, "nothing is owed"


@pytest.mark.parametrize("course", ["", "g", "gg", "ggb", "ggbb"])
def test_the_end_of_a_rule_is_the_end_of_its_alerts(course: str) -> None:
    now = START + 10 * BUCKET
    states = cleared(after(course, told_that_it_fires("a"), 2), [], now)
    assert due(states, "a", now) == [Due(KEY, START, "resolved")]
    states = delivered(states, "a", due(states, "a", now), now)
    assert cleared(states, [], now) == {}


def test_a_channel_that_is_gone_for_good_keeps_nothing_for_ever() -> None:
    states = after("ggbb", told_that_it_fires("a"), 2)
    later = after("b" * (REMEMBERED // BUCKET), states, 6)
    assert cleared(later, ["volume"], later[KEY].seen)[KEY].last is None


def test_what_is_pending_and_no_longer_judged_is_resolved_as_before() -> None:
    states = after("bbgg")
    later = cleared(after("b", states, 4), ["volume"], START + UNEVALUATED + 5 * BUCKET)
    assert later == states


def test_a_failure_is_kept_until_the_channel_is_told() -> None:
    states = after("bb")
    notified = due(states, "a", START)
    states = failed(states, "a", notified, "refused")
    assert states[KEY].undelivered == {"a": "refused"}
    assert due(states, "a", START) == notified
    assert delivered(states, "a", notified, START)[KEY].undelivered == {}


def test_what_was_told_of_an_earlier_incident_says_nothing_of_this_one() -> None:
    earlier = due(after("bb"), "a", START)
    states = after("bbggbb")
    assert delivered(states, "a", earlier, START) == states
    assert failed(states, "a", earlier, "refused") == states


def test_the_gravest_comes_first() -> None:
    states = step(after("bb"), [evaluation(p, True, OTHER) for p in range(2)], {"silence": "critical"}, 2, NEVER)
    assert [one.key for one in due(states, "a", START)] == [OTHER, KEY]


def test_what_no_rule_is_about_is_dropped_and_what_is_no_longer_judged_is_resolved() -> None:
    states = after("bb")
    assert cleared(states, [], START) == {}
    assert cleared(states, ["volume"], START + UNEVALUATED) == states
    late = cleared(states, ["volume"], START + UNEVALUATED + 2 * BUCKET)
    assert late[KEY].status == "resolved"
    assert cleared(late, ["volume"], START + REMEMBERED + 3 * BUCKET) == {}
    assert cleared(after("b"), ["volume"], START + UNEVALUATED + 2 * BUCKET) == {}


def test_a_state_is_read_back_as_it_was_written() -> None:
    now = START + timedelta(microseconds=5)
    state = delivered(after("bb", cooldown=timedelta(hours=1)), "json://é", [Due(KEY, START, "firing")], now)[KEY]
    state = replace(state, key=Key("volume", "clicks", "k/1 ü"), undelivered={"b": "why"}, quiet_until=now)
    assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state


# -- any course --------------------------------------------------------------------------------------------------

CHANNELS = ("a", "b")
#: No course lasts as long as an incident is remembered.
_courses = st.lists(
    st.one_of(
        st.tuples(st.just("judge"), st.text("bg-", min_size=1, max_size=8)),  # so many buckets in one step
        st.tuples(st.just("judge and look"), st.sampled_from(["bb", "gg", "bg", "bbgg", "ggbb", "gggbg"])),
        st.tuples(st.just("look"), st.just("")),
        st.tuples(st.just("restart"), st.just("")),
        st.tuples(st.sampled_from(["works", "fails"]), st.sampled_from(CHANNELS)),
        st.tuples(st.just("wait"), st.integers(1, 8)),
    ),
    max_size=40,
)


class Desk:
    """What a monitor does with the states, and what its channels, which work or fail, are told."""

    def __init__(self, cooldown: timedelta) -> None:
        self.cooldown, self.place, self.rules = cooldown, 0, ["volume"]
        self.states: dict[Key, State] = {}
        self.works = dict.fromkeys(CHANNELS, True)
        self.notified: list[tuple[datetime, str, Due]] = []
        self.fired: set[datetime] = set()

    @property
    def now(self) -> datetime:
        return START + self.place * BUCKET

    def evaluate(self, course: str) -> None:
        one_by_one = self.states
        for place, one in enumerate(course, self.place):
            one_by_one = after(one, one_by_one, place, self.cooldown)
            self.fired |= {state.since for state in one_by_one.values() if state.fired}
        self.states = after(course, self.states, self.place, self.cooldown)
        assert self.states == one_by_one, "how many are judged at once makes no difference"
        self.place += len(course)

    def look(self) -> None:
        self.states = cleared(self.states, self.rules, self.now)
        for channel, works in self.works.items():
            wanted = due(self.states, channel, self.now)
            if works:
                self.states = delivered(self.states, channel, wanted, self.now)
                self.notified += [(self.now, channel, one) for one in wanted]
            else:
                self.states = failed(self.states, channel, wanted, "no")

    def play(self, what: str, how: str | int) -> None:
        match what, how:
            case "judge", str():
                self.evaluate(how)
            case "judge and look", str():
                self.evaluate(how)
                self.look()
            case "look", _:
                self.look()
            case "restart", _:
                read = (msgspec.json.decode(msgspec.json.encode(one), type=State) for one in self.states.values())
                self.states = {state.key: state for state in read}
            case (("works" | "fails"), str()):
                self.works[how] = what == "works"
            case "wait", int():
                self.place += how

    def settle(self) -> None:
        """Every channel works, and the cooldown passes."""
        self.works = dict.fromkeys(CHANNELS, True)
        self.place += 20
        for _ in range(5):  # of several incidents of one alert, each look tells one
            self.look()


@settings(max_examples=400, deadline=None)
@given(
    course=_courses,
    cooldown=st.sampled_from([NEVER, timedelta(hours=1), timedelta(hours=4)]),
    rule_goes=st.booleans(),
)
@example(
    course=[("judge and look", one) for one in ("bb", "gg", "bg", "bb")], cooldown=timedelta(hours=4), rule_goes=False
)
@example(course=[("judge and look", one) for one in ("bb", "gggbg")], cooldown=NEVER, rule_goes=False)
@example(course=[("judge and look", one) for one in ("bb", "ggbb")], cooldown=NEVER, rule_goes=False)
def test_for_any_course_nothing_is_told_twice_and_nothing_is_forgotten(
    course: list[tuple[str, str | int]], cooldown: timedelta, rule_goes: bool
) -> None:
    """Two channels, each of which works or fails; a restart reads the states back."""
    desk = Desk(cooldown)
    for what, how in course:
        desk.play(what, how)
    if rule_goes:
        desk.rules = []
    desk.settle()

    state = desk.states.get(KEY)
    firing = state if state and state.status == "firing" else None
    for channel in CHANNELS:
        notified = [(one.since, one.said) for _, name, one in desk.notified if name == channel]
        assert len(notified) == len(set(notified)), "nothing is told twice"
        assert [since for since, _ in notified] == sorted(since for since, _ in notified), (
            "one incident after the other"
        )
        for since in {since for since, _ in notified}:
            assert since in desk.fired
            of_it = [said for at, said in notified if at == since]
            still = firing is not None and firing.since == since
            assert of_it in ([["firing"]] if still else [["firing", "resolved"], ["over"]]), "its end is told"
        if firing:
            assert (firing.since, "firing") in notified, "it fires, the channel works, and nobody was told"
    first: dict[datetime, datetime] = {}
    for at, _, one in desk.notified:
        first.setdefault(one.since, at)
    moments = [first[since] for since in sorted(first)]
    assert all(later - earlier >= cooldown for earlier, later in pairwise(moments)), "told within the cooldown"
