"""Messages for the log, compared with the reference implementation."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.simulator import (
    BLOCKED_SITES,
    BLOCKED_USERS,
    FaultRates,
    Simulation,
    SimulationSettings,
    messages,
)
from advertisex.simulator.kinds import FILTERED, REJECTED
from tests.budget import examples
from tests.simulator import oracle

POLICY = {"blocked_users": list(BLOCKED_USERS), "blocked_sites": list(BLOCKED_SITES)}
#: High enough for every kind to occur in every feed of a short run.
MANY = FaultRates(**dict.fromkeys((*REJECTED, *FILTERED), 0.03), duplicate=0.05, conflict=0.5, late=0.05)


def tallies(simulation: Simulation) -> dict[str, oracle.Tally]:
    found = {name: oracle.Tally(name, POLICY) for name in ("impressions", "clicks", "bids")}
    for chunk in simulation.chunks():
        for feed, payloads in chunk.messages.items():
            found[feed].add(oracle.decode(feed, message) for message in payloads)
    return found


def digest(settings: SimulationSettings) -> str:
    seen = hashlib.sha256()
    for feed, payloads in messages(settings):
        for message in payloads:
            seen.update(f"{feed} {len(message)} ".encode() + message)
    return seen.hexdigest()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_truth_equals_the_reference_implementation(seed: int) -> None:
    simulation = Simulation(SimulationSettings(events=30_000, seed=seed, faults=MANY), "log")
    found = tallies(simulation)
    truth = simulation.truth().to_dict()["feeds"]
    assert {name: tally.as_truth(truth[name]) for name, tally in found.items()} == truth
    for feed in truth.values():
        assert 0 <= feed["conflict"] < feed["duplicate"]
        assert {reason for reason, count in (feed["filtered"] | feed["rejected"]).items() if not count} <= {"oversized"}
        assert feed["filtered"]
        assert feed["rejected"]
    assert truth["clicks"]["conflict"] > 0
    assert truth["bids"]["conflict"] > 0


@pytest.mark.parametrize("kind", [*REJECTED, *FILTERED])
def test_a_single_kind_of_fault_causes_only_its_own_reason(kind: str) -> None:
    faults = replace(FaultRates.none(), **{kind: 0.3})
    simulation = Simulation(SimulationSettings(events=4_000, seed=5, faults=faults), "log")
    found = tallies(simulation)
    assert {reason for tally in found.values() for reason in tally.reasons} == {kind}
    for name, feed in simulation.truth().feeds.items():
        count = {**feed.rejected, **feed.filtered}.get(kind, 0)
        assert found[name].reasons[kind] == count
        if kind == "oversized":
            assert count <= 1
        elif count:
            assert count == pytest.approx(0.3 * feed.read, abs=3)


@pytest.mark.parametrize("faults", [FaultRates(), replace(FaultRates(), late=0.5, bad_amount=0.2, bad_website=0.2)])
def test_the_analysis_is_that_of_the_stored_events(faults: FaultRates) -> None:
    # short enough for late messages and their causes to fall into different chunks, in either order
    asked = SimulationSettings(events=60_000, seed=9, duration=timedelta(hours=8), faults=faults)
    simulation = Simulation(asked, "log")
    found = tallies(simulation)
    campaign_of = {creative: campaign for creative, campaign, _ in simulation.catalogue_rows}
    known = simulation.truth().to_dict()["analysis"]
    assert oracle.analysis(found, campaign_of) == known
    assert 0 < known["auctions_won"] < known["counts"]["impressions"]


@given(events=st.integers(0, 3_000), seed=st.integers(0, 2**32), minutes=st.integers(1, 50_000))
@settings(max_examples=examples(40))
def test_the_number_of_messages_is_exact_and_their_times_are_within_the_duration(
    events: int, seed: int, minutes: int
) -> None:
    start, duration = datetime(2020, 2, 28, 23, 59, tzinfo=UTC), timedelta(minutes=minutes)
    asked = SimulationSettings(events=events, seed=seed, start=start, duration=duration, faults=MANY)
    simulation = Simulation(asked, "log")
    assert sum(map(len, simulation.chunks())) == events
    truth = simulation.truth()
    assert truth.messages == events
    for feed in truth.feeds.values():
        parts = (feed.stored, feed.duplicate, *feed.rejected.values(), *feed.filtered.values())
        assert feed.read == sum(parts)
    if truth.analysis.first_event and truth.analysis.last_event:
        assert start <= datetime.fromisoformat(truth.analysis.first_event)
        assert datetime.fromisoformat(truth.analysis.last_event) <= start + duration


def test_equal_settings_give_equal_bytes_over_several_chunks() -> None:
    asked = SimulationSettings(events=120_000, seed=4)
    assert digest(asked) == digest(asked)
    assert digest(asked) != digest(replace(asked, seed=5))


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_the_given_fraction_of_the_duplicates_are_conflicts(rate: float) -> None:
    faults = replace(FaultRates.none(), duplicate=0.5, conflict=rate)
    simulation = Simulation(SimulationSettings(events=8_000, faults=faults), "log")
    found = tallies(simulation)
    for name, feed in simulation.truth().feeds.items():
        expected = 0 if name == "impressions" else pytest.approx(rate * feed.duplicate, abs=1)
        assert found[name].conflicts == feed.conflict == expected


def test_the_order_of_messages_does_not_change_the_number_of_conflicts() -> None:
    simulation = Simulation(SimulationSettings(events=20_000, faults=replace(MANY, conflict=0.3)), "log")
    found = {name: oracle.Tally(name, POLICY) for name in ("impressions", "clicks", "bids")}
    chunks = list(simulation.chunks())
    for chunk in reversed(chunks):
        for feed, payloads in chunk.messages.items():
            found[feed].add(oracle.decode(feed, message) for message in reversed(payloads))
    truth = simulation.truth().to_dict()["feeds"]
    assert {name: tally.as_truth(truth[name]) for name, tally in found.items()} == truth


def test_clean_traffic_has_no_fault() -> None:
    simulation = Simulation(SimulationSettings(events=5_000, faults=FaultRates.none()), "log")
    assert sum(len(tally.stored) for tally in tallies(simulation).values()) == 5_000


def test_some_duplicates_have_different_bytes_and_some_the_same() -> None:
    faults = replace(FaultRates.none(), duplicate=0.5)
    for feed in ("impressions", "clicks", "bids"):
        simulation = Simulation(SimulationSettings(events=8_000, faults=faults), "log")
        payloads = [message for chunk in simulation.chunks() for message in chunk.messages[feed]]
        repeated = simulation.truth().feeds[feed].duplicate
        identical = len(payloads) - len(set(payloads))
        assert 0 < identical < repeated
