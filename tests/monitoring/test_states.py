"""State machine of alerts: examples, and properties: no notification is repeated and none is lost."""

from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from advertisex.monitoring.notices import format_alert
from advertisex.monitoring.notifications import Due, delivered, due, failed
from advertisex.monitoring.rules import Evaluation, Key
from advertisex.monitoring.states import RETENTION, STALE_AFTER, State, States, expire, step
from tests.budget import examples

START = datetime(2026, 3, 2)
BUCKET = timedelta(minutes=15)
KEY = Key("volume", "clicks", None)
OTHER = Key("silence", "bids", None)
NEVER = timedelta(0)


def evaluation(place: int, bad: bool, key: Key = KEY) -> Evaluation:
    return Evaluation(key, START + place * BUCKET, bad, 3.0 if bad else 10.0, 10.0, 5.0, 20.0)


def after(sequence: str, states: States | None = None, start: int = 0, cooldown: timedelta = NEVER) -> dict[Key, State]:
    """The states after a sequence of buckets: b is bad, g is good, - has no result."""
    found = [evaluation(start + place, one == "b") for place, one in enumerate(sequence) if one != "-"]
    return step(states or {}, found, {"volume": "warning", "silence": "critical"}, 2, cooldown)


@pytest.mark.parametrize(
    ("sequence", "status", "since", "ended"),
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
def test_transitions_of_an_alert(sequence: str, status: str | None, since: int | None, ended: int | None) -> None:
    state = after(sequence).get(KEY)
    if status is None:
        assert state is None
        return
    assert state is not None
    assert (state.status, state.since) == (status, START + (since or 0) * BUCKET)
    assert state.ended == (None if ended is None else START + ended * BUCKET)


def test_a_value_close_to_its_bound_does_not_end_an_incident() -> None:
    near = [evaluation(place, False)._replace(recovered=False) for place in range(2, 8)]
    states = step(after("bb"), near, {"volume": "warning"}, 2, NEVER)
    assert (states[KEY].status, states[KEY].since) == ("firing", START)
    assert step({}, near, {"volume": "warning"}, 2, NEVER) == {}, "nor does it begin one"
    assert after("gg", states, 8)[KEY].status == "resolved"


def test_a_campaign_without_events_is_closed_and_not_reported_as_resolved() -> None:
    key = Key("campaign_volume", "impressions", "k")
    empty = [Evaluation(key, START + place * BUCKET, True, 0.0, 40.0, 20.0, 80.0) for place in range(2)]
    states = step({}, empty, {"campaign_volume": "warning"}, 2, NEVER)
    states = delivered(states, "a", due(states, "a", START), START)
    closed = expire(states, ["campaign_volume"], START + STALE_AFTER + 3 * BUCKET)
    (one,) = due(closed, "a", START + STALE_AFTER + 3 * BUCKET)
    text = format_alert(closed[key], one, "volume", BUCKET)
    assert text == "closed: event volume of campaign k (impressions), since 2026-03-02 00:00 UTC; without events"


def test_a_bucket_that_was_already_applied_changes_nothing() -> None:
    states = after("bb")
    assert after("bb", states) == states
    assert after("gg", states) == states


def test_a_channel_is_notified_once_of_the_start_and_once_of_the_end() -> None:
    now = START + 3 * BUCKET
    states = after("bb")
    assert due(states, "a", now) == [Due(KEY, START, "firing")]
    states = delivered(states, "a", due(states, "a", now), now)
    assert due(states, "a", now) == []
    assert due(states, "b", now) == [Due(KEY, START, "firing")], "channel b was not notified yet"

    states = after("gg", states, start=2)
    assert due(states, "a", now) == [Due(KEY, START, "resolved")]
    assert due(states, "b", now) == [Due(KEY, START, "over")]
    states = delivered(delivered(states, "a", due(states, "a", now), now), "b", due(states, "b", now), now)
    assert due(states, "a", now) == due(states, "b", now) == []


def test_an_alert_that_fires_again_within_the_cooldown_is_reported_after_it_and_only_if_still_firing() -> None:
    cooldown, notified_at = timedelta(hours=4), START + 2 * BUCKET
    states = after("bb", cooldown=cooldown)
    states = delivered(states, "a", due(states, "a", notified_at), notified_at)
    states = after("gg", states, 2, cooldown)
    states = delivered(states, "a", due(states, "a", notified_at), notified_at)
    states = after("bb", states, 4, cooldown)

    assert due(states, "a", notified_at + cooldown - timedelta(seconds=1)) == []
    assert due(states, "a", notified_at + cooldown) == [Due(KEY, START + 4 * BUCKET, "firing")]
    over = after("gg", states, 6, cooldown)
    assert due(over, "a", notified_at + cooldown) == [], "it started and ended within the cooldown"
    much_later = after("g" * 20, over, 8, cooldown)
    assert due(much_later, "a", notified_at + 2 * cooldown) == [], "not reported later either"


def test_a_dropped_pending_incident_does_not_affect_the_cooldown() -> None:
    cooldown, notified_at = timedelta(hours=4), START + 2 * BUCKET
    states = after("bb", cooldown=cooldown)
    states = delivered(states, "a", due(states, "a", notified_at), notified_at)
    states = after("gg", states, 2, cooldown)
    states = delivered(states, "a", due(states, "a", notified_at), notified_at)
    states = after("bb", after("bg", states, 4, cooldown), 6, cooldown)

    assert states[KEY].status == "firing"
    assert due(states, "a", notified_at + cooldown - timedelta(seconds=1)) == []
    assert due(states, "a", notified_at + cooldown) == [Due(KEY, START + 6 * BUCKET, "firing")]


def notified_firing(*channels: str) -> dict[Key, State]:
    states = after("bb")
    for channel in channels:
        states = delivered(states, channel, due(states, channel, START), START)
    return states


@pytest.mark.parametrize("sequence", ["gggb", "gggbg", "gggbb", "gggbbb", "ggbbggbb", "ggbbggbggbbgg"])
def test_the_end_is_reported_whatever_follows_it(sequence: str) -> None:
    now = START + 20 * BUCKET
    states = after(sequence, notified_firing("a"), 2)
    assert due(states, "a", now) == [Due(KEY, START, "resolved")], "the end comes first"
    states = delivered(states, "a", due(states, "a", now), now)
    assert [one for one in due(states, "a", now) if one.since <= START] == []
    if states[KEY].status == "firing":
        assert due(states, "a", now) == [Due(KEY, states[KEY].since, "firing")]


def test_an_incident_is_kept_until_each_notified_channel_is_notified_of_its_end() -> None:
    now = START + 4 * BUCKET
    states = after("gg", notified_firing("a", "b"), 2)
    states = delivered(states, "a", due(states, "a", now), now)
    states = failed(after("bb", states, 4), "b", due(states, "b", now), "no")
    first = states[KEY].last
    assert first is not None
    assert first.undelivered == {"b": "no"}
    assert due(states, "a", now) == [Due(KEY, START + 4 * BUCKET, "firing")]
    assert due(states, "b", now) == [Due(KEY, START, "resolved")]
    states = delivered(states, "b", due(states, "b", now), now)
    assert due(states, "b", now) == [Due(KEY, START + 4 * BUCKET, "firing")]
    assert after("ggbb", states, 6)[KEY].last is None, "no notification is pending"


@pytest.mark.parametrize("sequence", ["", "g", "gg", "ggb", "ggbb"])
def test_removing_a_rule_resolves_its_alerts(sequence: str) -> None:
    now = START + 10 * BUCKET
    states = expire(after(sequence, notified_firing("a"), 2), [], now)
    assert due(states, "a", now) == [Due(KEY, START, "resolved")]
    states = delivered(states, "a", due(states, "a", now), now)
    assert expire(states, [], now) == {}


def test_a_removed_channel_does_not_keep_incidents_indefinitely() -> None:
    states = after("ggbb", notified_firing("a"), 2)
    later = after("b" * (RETENTION // BUCKET), states, 6)
    assert expire(later, ["volume"], later[KEY].seen)[KEY].last is None


def test_a_stale_pending_alert_returns_to_its_resolved_incident() -> None:
    states = after("bbgg")
    later = expire(after("b", states, 4), ["volume"], START + STALE_AFTER + 5 * BUCKET)
    assert later == states


def test_a_failure_is_kept_until_the_notification_is_delivered() -> None:
    states = after("bb")
    notified = due(states, "a", START)
    states = failed(states, "a", notified, "rejected")
    assert states[KEY].undelivered == {"a": "rejected"}
    assert due(states, "a", START) == notified
    assert delivered(states, "a", notified, START)[KEY].undelivered == {}


def test_reports_on_an_earlier_incident_do_not_affect_the_current_one() -> None:
    earlier = due(after("bb"), "a", START)
    states = after("bbggbb")
    assert delivered(states, "a", earlier, START) == states
    assert failed(states, "a", earlier, "rejected") == states


def test_the_most_severe_comes_first() -> None:
    states = step(after("bb"), [evaluation(p, True, OTHER) for p in range(2)], {"silence": "critical"}, 2, NEVER)
    assert [one.key for one in due(states, "a", START)] == [OTHER, KEY]


def test_alerts_of_removed_rules_are_dropped_and_stale_alerts_are_resolved() -> None:
    states = after("bb")
    assert expire(states, [], START) == {}
    assert expire(states, ["volume"], START + STALE_AFTER) == states
    late = expire(states, ["volume"], START + STALE_AFTER + 2 * BUCKET)
    assert late[KEY].status == "resolved"
    assert expire(late, ["volume"], START + RETENTION + 3 * BUCKET) == {}
    assert expire(after("b"), ["volume"], START + STALE_AFTER + 2 * BUCKET) == {}


def test_a_state_round_trips_through_json() -> None:
    now = START + timedelta(microseconds=5)
    state = delivered(after("bb", cooldown=timedelta(hours=1)), "json://é", [Due(KEY, START, "firing")], now)[KEY]
    state = replace(state, key=Key("volume", "clicks", "k/1 ü"), undelivered={"b": "why"}, quiet_until=now)
    assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state


# -- properties --------------------------------------------------------------------------------------------------

CHANNELS = ("a", "b")
#: No sequence lasts longer than incidents are kept.
_actions = st.lists(
    st.one_of(
        st.tuples(st.just("evaluate"), st.text("bg-", min_size=1, max_size=8)),  # several buckets in one step
        st.tuples(st.just("evaluate and look"), st.sampled_from(["bb", "gg", "bg", "bbgg", "ggbb", "gggbg"])),
        st.tuples(st.just("look"), st.just("")),
        st.tuples(st.just("restart"), st.just("")),
        st.tuples(st.sampled_from(["works", "fails"]), st.sampled_from(CHANNELS)),
        st.tuples(st.just("wait"), st.integers(1, 8)),
    ),
    max_size=40,
)


class Harness:
    """Simulates a monitor and two channels that work or fail, and records the notifications."""

    def __init__(self, cooldown: timedelta) -> None:
        self.cooldown, self.place, self.rules = cooldown, 0, ["volume"]
        self.states: dict[Key, State] = {}
        self.works = dict.fromkeys(CHANNELS, True)
        self.notified: list[tuple[datetime, str, Due]] = []
        self.fired: set[datetime] = set()

    @property
    def now(self) -> datetime:
        return START + self.place * BUCKET

    def evaluate(self, sequence: str) -> None:
        one_by_one = self.states
        for place, one in enumerate(sequence, self.place):
            one_by_one = after(one, one_by_one, place, self.cooldown)
            self.fired |= {state.since for state in one_by_one.values() if state.fired}
        self.states = after(sequence, self.states, self.place, self.cooldown)
        assert self.states == one_by_one, "evaluating in one step or one by one makes no difference"
        self.place += len(sequence)

    def check(self) -> None:
        self.states = expire(self.states, self.rules, self.now)
        for channel, works in self.works.items():
            pending = due(self.states, channel, self.now)
            if works:
                self.states = delivered(self.states, channel, pending, self.now)
                self.notified += [(self.now, channel, one) for one in pending]
            else:
                self.states = failed(self.states, channel, pending, "no")

    def play(self, what: str, how: str | int) -> None:
        match what, how:
            case "evaluate", str():
                self.evaluate(how)
            case "evaluate and look", str():
                self.evaluate(how)
                self.check()
            case "look", _:
                self.check()
            case "restart", _:
                read = (msgspec.json.decode(msgspec.json.encode(one), type=State) for one in self.states.values())
                self.states = {state.key: state for state in read}
            case (("works" | "fails"), str()):
                self.works[how] = what == "works"
            case "wait", int():
                self.place += how

    def settle(self) -> None:
        """Make every channel work, and let the cooldown pass."""
        self.works = dict.fromkeys(CHANNELS, True)
        self.place += 20
        for _ in range(5):  # each pass reports one of several incidents of an alert
            self.check()


@settings(max_examples=examples(400))
@given(
    sequence=_actions,
    cooldown=st.sampled_from([NEVER, timedelta(hours=1), timedelta(hours=4)]),
    rule_removed=st.booleans(),
)
@example(
    sequence=[("evaluate and look", one) for one in ("bb", "gg", "bg", "bb")],
    cooldown=timedelta(hours=4),
    rule_removed=False,
)
@example(sequence=[("evaluate and look", one) for one in ("bb", "gggbg")], cooldown=NEVER, rule_removed=False)
@example(sequence=[("evaluate and look", one) for one in ("bb", "ggbb")], cooldown=NEVER, rule_removed=False)
def test_no_sequence_repeats_or_loses_a_notification(
    sequence: list[tuple[str, str | int]], cooldown: timedelta, rule_removed: bool
) -> None:
    """Two channels that work or fail; restarts reload the states."""
    harness = Harness(cooldown)
    for what, how in sequence:
        harness.play(what, how)
    if rule_removed:
        harness.rules = []
    harness.settle()

    state = harness.states.get(KEY)
    firing = state if state and state.status == "firing" else None
    for channel in CHANNELS:
        notified = [(one.since, one.kind) for _, name, one in harness.notified if name == channel]
        assert len(notified) == len(set(notified)), "notification repeated"
        assert [since for since, _ in notified] == sorted(since for since, _ in notified), "incidents out of order"
        for since in {since for since, _ in notified}:
            assert since in harness.fired
            kinds = [kind for at, kind in notified if at == since]
            still_firing = firing is not None and firing.since == since
            assert kinds in ([["firing"]] if still_firing else [["firing", "resolved"], ["over"]]), "end not reported"
        if firing:
            assert (firing.since, "firing") in notified, "firing, but never reported"
    first: dict[datetime, datetime] = {}
    for at, _, one in harness.notified:
        first.setdefault(one.since, at)
    times = [first[since] for since in sorted(first)]
    early = [later for earlier, later in pairwise(times) if later - earlier < cooldown]
    assert early == [], "notified within the cooldown"
