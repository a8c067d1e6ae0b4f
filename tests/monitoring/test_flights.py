"""Rules about flights: on rows of pacing, and in simulated days on a real store."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advertisex.monitoring.flights import FlightWatch, evaluate_flights
from advertisex.monitoring.monitor import Monitor
from advertisex.monitoring.notices import notice
from advertisex.monitoring.notifications import Due
from advertisex.monitoring.rules import DEFAULTS, AlertRule, Key
from advertisex.monitoring.states import State
from advertisex.settings.alerts import AlertSettings
from advertisex.stores.duckdb.store import DuckdbStore
from tests.catalogues import campaign_rows
from tests.monitoring.simulated_store import BUCKET, CATALOGUE, START, Traffic, World

DAY = timedelta(days=1)
RULES = [rule for rule in DEFAULTS if rule.name in ("pacing", "far_behind", "overspend", "budget_exhausted")]
LIGHT = Traffic(rate={"impressions": 60.0, "clicks": 5.0, "bids": 5.0})


def row(measure: str = "impressions", campaign: str = "k0", **changes: Any) -> dict[str, Any]:
    """A row of pacing on the fifth of ten days."""
    given: dict[str, Any] = {
        "booked": Decimal(10_000),
        "delivered": Decimal(5_000),
        "expected": Decimal(5_000),
    } | changes
    return {
        "campaign_id": campaign,
        "start": START,
        "end": START + 10 * DAY,
        "measure": measure,
        "pace": float(given["delivered"] / given["expected"]) if given["expected"] else None,
        "projected": float(2 * given["delivered"]),
        **given,
    }


def bad(*rows: dict[str, Any], rules: list[AlertRule] = RULES, known: datetime = START + 5 * DAY) -> set[str]:
    return {found.key.rule for found in evaluate_flights(rules, rows, known, START) if found.bad}


@pytest.mark.parametrize(
    ("delivered", "names"),
    [(5_000, set()), (4_501, set()), (4_499, {"pacing"}), (3_751, {"pacing"}), (3_749, {"pacing", "far_behind"})],
)
def test_a_flight_that_is_late_is_bad(delivered: int, names: set[str]) -> None:
    assert bad(row(delivered=Decimal(delivered))) == names


def test_a_count_is_only_late_beyond_chance() -> None:
    few = {"booked": Decimal(200), "expected": Decimal(100)}

    assert bad(row(delivered=Decimal(71), **few)) == set()
    assert bad(row(delivered=Decimal(69), **few)) == {"pacing", "far_behind"}
    assert bad(row("spend", delivered=Decimal(71), **few)) == {"pacing", "far_behind"}


def test_the_worst_measure_counts() -> None:
    found = list(evaluate_flights(RULES[:1], [row(), row("clicks", delivered=Decimal(4_000))], START + 5 * DAY, START))

    assert [(one.key, one.value, one.bad) for one in found] == [(Key("pacing", "all", "k0"), 0.8, True)]


def test_the_first_day_has_no_pace_and_no_projection() -> None:
    late, rich = row(delivered=Decimal(0)), row("spend", delivered=Decimal(9_000))

    assert bad(late, rich, known=START + DAY - timedelta.resolution) == set()
    assert bad(late, rich, known=START + DAY) == {"pacing", "far_behind", "overspend"}


@pytest.mark.parametrize(
    ("delivered", "names"),
    [
        ("5500", set()),
        ("5500.01", {"overspend"}),
        ("9999.99", {"overspend"}),
        ("10000", {"overspend", "budget_exhausted"}),
    ],
)
def test_a_budget_that_will_be_or_is_exceeded_is_bad(delivered: str, names: set[str]) -> None:
    assert bad(row("spend", delivered=Decimal(delivered))) == names
    assert bad(row("clicks", delivered=Decimal(delivered))) == set()


def test_a_rule_can_be_about_one_campaign() -> None:
    rules = [AlertRule("own", "pace", campaign="k1", below=0.99)]

    found = list(evaluate_flights(rules, [row(), row(campaign="k1")], START + 5 * DAY, START))
    assert [one.key for one in found] == [Key("own", "all", "k1")]


@pytest.mark.parametrize(
    ("rule", "metric", "text"),
    [
        ("pacing", "pace", "warning: pace of campaign k0: 80.00%, expected at least 90.00%, since"),
        ("overspend", "projected_spend", "projected spend of campaign k0, of its budget: 80.00%, expected at most"),
        ("budget_exhausted", "budget_spent", "budget spent of campaign k0 before its end: 80.00%, expected below 100"),
    ],
)
def test_a_notice_says_what_is_wrong_and_what_to_do(rule: str, metric: Any, text: str) -> None:
    low, high = (0.9, None) if metric == "pace" else (None, 1.0)
    key = Key(rule, "all", "k0")
    state = State(key, "warning", "firing", START, START, 0, 0.8, None, low, high)

    (line,) = notice({key: state}, [Due(key, START, "firing")], {rule: metric}, BUCKET).body.splitlines()
    assert text in line
    assert "`advertisex " in line


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "store.duckdb", seed=5)
    yield made
    made.store.close()


def test_flights_of_simulated_days_raise_their_alerts(world: World) -> None:
    """Each campaign gets about 233 impressions a day; k1 has booked twice as many, and k0 half of what it costs."""
    flight = {"start": START, "end": START + 10 * DAY, "rate_type": "cpm", "rate": "100", "currency": "EUR"}
    flights = campaign_rows(
        flight | {"campaign_id": "k0", "impressions": 2_330, "budget": "116.50"},
        flight | {"campaign_id": "k1", "impressions": 4_660},
    )
    world.store.import_catalogue(CATALOGUE, flights)
    monitor = Monitor(world.store, AlertSettings(bucket=BUCKET, history=timedelta(days=2)))
    fired: dict[Key, datetime] = {}

    def check(now: datetime) -> None:
        for key, state in monitor.check(now, now).items():
            if state.fired and key.rule in [rule.name for rule in RULES]:
                fired.setdefault(key, now)

    world.play(48, LIGHT, check)
    days = {(key.rule, key.campaign): (time - START) // DAY for key, time in fired.items()}
    assert days == {
        ("pacing", "k1"): 1, ("far_behind", "k1"): 1, ("overspend", "k0"): 1, ("budget_exhausted", "k0"): 5,
    }  # fmt: skip


class Counted(DuckdbStore):
    """A store that counts its scans."""

    scans = 0

    def scan(self, *arguments: Any, **options: Any) -> Any:
        self.scans += 1
        return super().scan(*arguments, **options)


def test_the_store_is_read_only_if_a_flight_is_under_way_and_something_is_new(world: World, tmp_path: Path) -> None:
    world.play(10, LIGHT)
    now = world.now
    world.store.close()
    with Counted(tmp_path / "store.duckdb") as store:
        watch = FlightWatch(store, DEFAULTS, "UTC")

        def scans(time: datetime) -> int:
            before = store.scans
            watch.evaluations(time, BUCKET, time)
            return store.scans - before

        assert scans(now) == 0  # no flight
        flight = {"campaign_id": "k0", "start": START, "impressions": 9, "currency": "EUR"}
        store.import_catalogue(CATALOGUE, campaign_rows(flight | {"end": now}))
        assert scans(now + timedelta(minutes=6)) == 0  # it has ended
        store.import_catalogue(CATALOGUE, campaign_rows(flight | {"end": now + DAY}))
        assert scans(now + timedelta(minutes=10)) == 0  # too early
        assert scans(now + timedelta(minutes=11)) > 0
        assert scans(now + timedelta(minutes=17)) == 0  # nothing is new
        store.import_catalogue(CATALOGUE, campaign_rows(flight | {"end": now + 2 * DAY}))
        assert scans(now + timedelta(minutes=17)) > 0
        off = FlightWatch(store, [rule for rule in DEFAULTS if rule not in RULES], "UTC")
        before = store.scans
        assert off.evaluations(now, BUCKET, now) == []
        assert store.scans == before


def test_a_flight_that_ends_is_not_evaluated_any_more(world: World) -> None:
    flight = {"campaign_id": "k0", "start": START, "end": START + 2 * DAY, "impressions": 9_000}
    world.store.import_catalogue(CATALOGUE, campaign_rows(flight))
    world.play(12, LIGHT)
    watch = FlightWatch(world.store, DEFAULTS, "UTC")

    assert {one.key.rule for one in watch.evaluations(world.now, BUCKET, world.now)} == {"pacing", "far_behind"}
    assert watch.evaluations(START + 2 * DAY, BUCKET, world.now) == []
