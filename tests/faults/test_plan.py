"""Plans and workloads follow from their seed, and whatever is drawn can be injected."""

import json

import pytest

from tests.faults.hostile import HOSTILE
from tests.faults.inject import NEEDS, is_injectable
from tests.faults.pairs import Embedded, Servers
from tests.faults.plan import KINDS, plan
from tests.faults.report import Report, described
from tests.faults.workload import ENDINGS, workload

COMMANDS = ["ingest", "process", "run", "rebuild", "erase"] * 100


@pytest.mark.parametrize("pair", [Embedded, Servers])
def test_a_seed_always_gives_the_same_plan(pair: type[Embedded | Servers]) -> None:
    drawn = plan("7.0", COMMANDS, pair.weights)
    assert drawn == plan("7.0", COMMANDS, pair.weights)
    assert drawn != plan("7.1", COMMANDS, pair.weights)
    assert len(drawn) == len(COMMANDS)
    assert all(faults for faults in drawn)


@pytest.mark.parametrize("pair", [Embedded, Servers])
def test_whatever_is_drawn_can_be_injected(pair: type[Embedded | Servers]) -> None:
    assert pair.weights.keys() <= KINDS.keys()
    kinds = {fault.kind for faults in plan(1, COMMANDS, pair.weights) for fault in faults}
    assert all(map(is_injectable, kinds))
    assert kinds >= pair.weights.keys() - {"kill at network call"}


def test_what_needs_a_tool_is_a_kind() -> None:
    assert NEEDS.keys() <= KINDS.keys()


def test_a_seed_always_gives_the_same_workload() -> None:
    drawn = workload("7.0")
    assert (drawn.parts, drawn.steps, drawn.user) == ((again := workload("7.0")).parts, again.steps, again.user)
    records = {feed: sum(len(part[feed]) for part in drawn.parts) for feed in ENDINGS}
    assert records == {feed: drawn.truth.feeds[feed].read + len(HOSTILE[feed]) for feed in ENDINGS}


def test_a_failure_names_the_seed_and_the_faults_in_their_order() -> None:
    faults = plan(3, ["process"], {"kill at call": 1})[0]
    text = described("embedded seed 3", ["2 events are lost"], [(0.5, "process", fault) for fault in faults])
    assert text.splitlines()[:2] == ["FAILED embedded seed 3", "  2 events are lost"]
    assert [line.split("[")[1].rstrip("]") for line in text.splitlines()[2:]] == [str(fault) for fault in faults]


def test_reports_add_up() -> None:
    one, other = Report(commands=1, rebalances=2), Report(commands=2, failures=["x"])
    one.kills["embedded"] = other.kills["embedded"] = 3
    one.add(other)
    assert (one.commands, one.rebalances, one.kills["embedded"], one.failures) == (3, 2, 6, ["x"])
    assert "SIGKILLs: 6 embedded" in one.summary()
    assert json.loads(one.line())["kills"] == {"embedded": 6}
