"""Pacing, against plain loops over days and fractions."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.pacing.report import pacing
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.stores.contract import EventStore
from tests.analysis.conftest import Stored
from tests.analysis.pacing_oracle import MEASURES, Row, World, expected_row
from tests.analysis.small_worlds import CATALOGUE, dataset
from tests.budget import examples
from tests.catalogues import campaign_rows

#: A Monday; the clocks of New York change in the third week after it.
START = datetime(2026, 2, 16)
HOURS = 24 * 36
ZONES = ["UTC", "America/New_York", "Asia/Kolkata"]
_rows = st.sampled_from

#: Midnights of UTC and of New York before and after the change, and other hours.
LIMITS = st.one_of(
    st.integers(0, HOURS // 24).flatmap(lambda day: _rows([0, 4, 5]).map(lambda hour: 24 * day + hour)),
    st.integers(0, HOURS),
).map(lambda hours: START + timedelta(hours=hours))


@st.composite
def campaigns(draw: Callable[..., Any], campaign: str, currency: str) -> list[Row]:
    """The flights of a campaign, some of which touch."""
    limits = sorted(draw(st.sets(LIMITS, min_size=2, max_size=4)))
    is_long = draw(st.booleans())
    spans = [(START, START + timedelta(hours=HOURS))] if is_long else [*pairwise(limits)]
    if not is_long and len(spans) > 1 and draw(st.booleans()):
        del spans[draw(st.integers(0, len(spans) - 1))]
    return [draw(flights(campaign, currency, *span)) for span in spans]


def flights(campaign: str, currency: str, start: datetime, end: datetime) -> st.SearchStrategy[Row]:
    count = _rows([None, 0, 1, 7, 40])
    return st.fixed_dictionaries(
        {
            "campaign_id": st.just(campaign),
            "start": st.just(start),
            "end": st.just(end),
            "budget": _rows([None, "0", "0.01", "12.5"]),
            "impressions": count,
            "clicks": count,
            "conversions": count,
            "paid": _rows([(None, None), ("cpm", "1.7"), ("cpc", "0.3"), ("cpa", "2.000001"), ("fixed", "10")]),
            "currency": st.just(currency),
        }
    ).map(lambda row: row | dict(zip(("rate_type", "rate"), row.pop("paid"), strict=True)))


def events(limits: list[datetime]) -> st.SearchStrategy[dict[str, list[Row]]]:
    """Impressions and clicks of different users, at and beside the limits of the flights."""
    near = st.builds(lambda time, micros: time + timedelta(microseconds=micros), _rows(limits), st.integers(-1, 1))
    time = (near | LIMITS).map(lambda found: found.replace(tzinfo=UTC).isoformat())
    shown = {
        "user_id": st.just("u1"),
        "timestamp": time,
        "website": _rows(["a.example.com", "b.example.com"]),
        "creative_id": _rows(["c1", "c2", "c3", "c4"]),
        "cost": _rows([None, None, "0.25", "0.000000000001"]),
        "currency": _rows(["EUR", "EUR", "USD", None]),
    }
    clicked = {
        "user_id": st.just("u2"),
        "timestamp": time,
        "campaign_id": _rows(["k1", "k2", "k3"]),
        "clicks": _rows([0, 1, 3]),
        "conversions": _rows([0, 1, 2]),
    }
    return st.fixed_dictionaries(
        {
            "impressions": st.lists(st.fixed_dictionaries(shown), min_size=1, max_size=25),
            "clicks": st.lists(st.fixed_dictionaries(clicked), max_size=12),
        }
    )


@settings(max_examples=examples(100))
@given(
    data=st.data(),
    known=st.tuples(campaigns("k1", "EUR"), campaigns("k2", "USD")).map(lambda both: both[0] + both[1]),
    zone=_rows(ZONES),
    curve=_rows(["linear", "weekday"]),
)
def test_all_numbers_match_a_loop(data: st.DataObject, known: list[Row], zone: str, curve: str) -> None:
    limits = [row[name] for row in known for name in ("start", "end")]
    until = data.draw(st.none() | LIMITS | _rows(limits))
    campaign = data.draw(_rows([None, None, "k1"]))
    with dataset(bids=[], **data.draw(events(limits))) as made:
        made.store.import_catalogue(CATALOGUE, campaign_rows(*known))
        stored = made.store.campaigns().to_dicts()
        mine = [row for row in stored if campaign in (None, row["campaign_id"])]
        wanted = [(row, name) for row in mine for name in MEASURES if booked(row, name) is not None]
        scope = Scope(until=until, campaign=campaign, zone=zone)
        if not wanted:
            with pytest.raises(AnalysisError, match="no flights found"):
                pacing(made.store, scope, curve=curve)
            return
        answer = pacing(made.store, scope, curve=curve)
        at = until or max(row["event_time"] for row in (*made.impressions, *made.clicks))
        world = World(made, stored, at, until, zone)

        assert answer.facts["at"] == at
        found = {(row["campaign_id"], row["start"], row["measure"]): row for row in answer.table("rows").to_dicts()}
        assert len(found) == len(wanted) == answer.table("rows").height
        for flight, measure in wanted:
            row = found[flight["campaign_id"], flight["start"], measure]
            check_row(row, expected_row(world, flight, measure, curve))
        check_order(answer.table("rows").to_dicts())
        check_others(world, mine, answer)


def booked(flight: Row, measure: str) -> Any:
    return flight["budget" if measure == "spend" else measure]


def check_row(found: Row, wanted: Row) -> None:
    for name in ("booked", "delivered"):
        assert Fraction(found[name]) == wanted[name], name
    assert Fraction(found["expected"]) <= wanted["expected"] < Fraction(found["expected"]) + Fraction(1, 10**15)
    assert (found["curve"], found["status"]) == (wanted["curve"], wanted["status"])
    assert found["pace"] == (None if wanted["pace"] is None else float(wanted["pace"]))
    for column, name in (
        ("projected", "projected"), ("projected_low", "low"), ("projected_high", "high"), ("difference", "difference"),
        ("at_stake", "at_stake"),
    ):  # fmt: skip
        if wanted[name] is None:
            assert found[column] is None, column
        else:
            assert float(found[column]) == pytest.approx(float(wanted[name]), rel=1e-9, abs=1e-9), column


def check_order(rows: list[Row]) -> None:
    def place(row: Row) -> tuple[Any, ...]:
        stake = row["at_stake"]
        known = (0, row["currency"], -stake) if stake is not None else (1, row["currency"], 0)
        return (*known, row["campaign_id"], row["start"], MEASURES.index(row["measure"]))

    assert rows == sorted(rows, key=place)


def check_others(world: World, flights_: list[Row], answer: Answer) -> None:
    wanted: dict[tuple[str, datetime, str | None], Fraction] = {}
    for flight in flights_:
        for _, name, quantity, currency in world.events(flight):
            if flight["budget"] is not None and name == "spend" and currency != flight["currency"]:
                key = flight["campaign_id"], flight["start"], currency
                wanted[key] = wanted.get(key, Fraction(0)) + quantity
    found = {row[:3]: Fraction(row[3]) for row in answer.table("other_spend").rows()}
    assert found == wanted
    assert any("another currency" in note for note in answer.notes) == bool(wanted)


APRIL = datetime(2026, 4, 6)
SPRING: Row = {
    "campaign_id": "k1",
    "start": APRIL,
    "end": APRIL + timedelta(days=10),
    "impressions": 100,
    "rate_type": "cpm",
    "rate": "5",
    "currency": "EUR",
}


def shown(day: float, number: int = 0) -> Row:
    """An impression so many days after the beginning of April's flight."""
    time = (APRIL + timedelta(days=day)).replace(tzinfo=UTC)
    return {"user_id": f"u{number}", "timestamp": time.isoformat(), "creative_id": "c1"}


def fill(stored: Stored, *flights_: Row, **feeds: list[Row]) -> EventStore:
    store = stored(**feeds)
    store.import_catalogue(CATALOGUE, campaign_rows(*flights_))
    return store


def only_row(answer: Answer) -> Row:
    (row,) = answer.table("rows").to_dicts()
    return row


def test_a_flight_begins_with_its_start_and_ends_before_its_end(stored: Stored) -> None:
    micro = timedelta.resolution / timedelta(days=1)
    store = fill(stored, SPRING, impressions=[shown(day) for day in (-micro, 0, 10 - micro, 10)])

    assert only_row(pacing(store))["delivered"] == 2


def test_flights_that_touch_share_no_event(stored: Stored) -> None:
    second = SPRING | {"start": SPRING["end"], "end": SPRING["end"] + timedelta(days=1)}
    store = fill(stored, SPRING, second, impressions=[shown(9.5), shown(10), shown(10.5)])

    found = pacing(store).table("rows").sort("start")
    assert found["delivered"].to_list() == [1, 2]
    assert found["status"].to_list() == ["ended", "behind"]


def test_the_projection_of_even_days_is_certain(stored: Stored) -> None:
    store = fill(stored, SPRING, impressions=[shown(day + part / 9, part) for day in range(4) for part in range(8)])

    row = only_row(pacing(store, Scope(until=APRIL + timedelta(days=4))))
    assert (row["delivered"], row["expected"], row["status"]) == (32, 40, "behind")
    assert (row["projected"], row["projected_low"], row["projected_high"]) == (80.0, 80.0, 80.0)
    assert (row["difference"], row["at_stake"], row["currency"]) == (-20.0, Decimal("0.1"), "EUR")


def test_an_interval_agrees_with_the_published_formula(stored: Stored) -> None:
    """Days of 10, 12 and 14: mean 12, s = 2, t = 4.3027; seven days come: 84 ± t · 2 · 7 · √(1/7 + 1/3)."""
    days = [shown(day + part / 20, part) for day in range(3) for part in range(10 + 2 * day)]
    store = fill(stored, SPRING, impressions=days)

    row = only_row(pacing(store, Scope(until=APRIL + timedelta(days=3))))
    half = 4.302652729911275 * 2 * 7 * (1 / 7 + 1 / 3) ** 0.5
    assert row["projected"] == 36 + 84
    assert row["projected_high"] == pytest.approx(120 + half, rel=1e-9)
    assert row["projected_low"] == pytest.approx(120 - half, rel=1e-9)


@pytest.mark.parametrize(("days", "is_known"), [(2, False), (3, True)])
def test_an_interval_needs_three_complete_days(stored: Stored, days: int, is_known: bool) -> None:
    store = fill(stored, SPRING, impressions=[shown(day) for day in range(10)])

    row = only_row(pacing(store, Scope(until=APRIL + timedelta(days=days, hours=23))))
    assert row["projected"] is not None
    assert (row["projected_low"] is not None) == (row["projected_high"] is not None) == is_known


@pytest.mark.parametrize(("weeks", "curve"), [(1, "linear"), (2, "weekday")])
def test_the_weekday_curve_needs_two_complete_weeks(stored: Stored, weeks: int, curve: str) -> None:
    """All is delivered on Mondays; the flight ends with a week that has one more."""
    flight = SPRING | {"end": APRIL + timedelta(weeks=4)}
    store = fill(stored, flight, impressions=[shown(7 * week, n) for week in range(weeks) for n in range(25)])

    row = only_row(pacing(store, Scope(until=APRIL + timedelta(weeks=weeks)), curve="weekday"))
    assert (row["curve"], row["delivered"], row["expected"]) == (curve, 25 * weeks, 25 * weeks)
    on_tuesday = only_row(pacing(store, Scope(until=APRIL + timedelta(weeks=weeks, days=1)), curve="weekday"))
    assert (on_tuesday["expected"] == 25 * (weeks + 1)) == (curve == "weekday")


def test_the_weekday_curve_learns_from_an_earlier_flight(stored: Stored) -> None:
    before = SPRING | {"start": APRIL - timedelta(weeks=2), "end": APRIL}
    store = fill(stored, before, SPRING, impressions=[shown(-14), shown(-7), shown(1)])

    rows = pacing(store, Scope(until=APRIL + timedelta(days=1)), curve="weekday").table("rows").sort("start")
    assert rows["expected"].to_list()[1] == 50  # one of two Mondays of the flight is over


def test_the_weekday_curve_of_spend_learns_from_a_flight_without_a_budget(stored: Stored) -> None:
    before = SPRING | {"start": APRIL - timedelta(weeks=2), "end": APRIL}
    flight = SPRING | {"impressions": None, "budget": "10"}
    store = fill(stored, before, flight, impressions=[shown(-14), shown(-7), shown(1)])

    rows = pacing(store, Scope(until=APRIL + timedelta(days=1)), curve="weekday").table("rows")
    (row,) = rows.filter(pl.col("measure") == "spend").to_dicts()
    assert (row["curve"], row["expected"]) == ("weekday", 5)  # one of two Mondays of the flight is over


@pytest.mark.parametrize(
    ("flight", "money"),
    [
        ({"rate_type": "cpm", "rate": "5", "currency": "EUR", "budget": "70"}, Decimal("0.25")),
        ({"rate_type": "cpc", "rate": "5", "currency": "EUR", "budget": "70"}, Decimal(35)),
        ({"rate_type": "fixed", "rate": "30", "currency": "EUR"}, Decimal(15)),
        ({"rate_type": "cpc", "rate": "5", "currency": "EUR"}, None),
        ({}, None),
    ],
)
def test_a_shortfall_is_worth_its_rate_or_its_part_of_the_budget(
    stored: Stored, flight: Row, money: Decimal | None
) -> None:
    own = {name: SPRING[name] for name in ("campaign_id", "start", "end", "impressions")}
    store = fill(stored, own | flight, impressions=[shown(day / 5, day) for day in range(50)])

    rows = pacing(store, Scope(until=SPRING["end"])).table("rows").filter(pl.col("measure") == "impressions")
    assert rows["difference"].to_list() == [-50]
    assert rows["at_stake"].to_list() == [money]


def test_a_budget_is_exhausted_before_the_end_and_spent_by_it(stored: Stored) -> None:
    flight = SPRING | {"impressions": None, "budget": "0.02"}
    store = fill(stored, flight, impressions=[shown(day) for day in range(5)])

    times = [APRIL + timedelta(days=days) for days in (0, 2, 4, 10, 11)]
    statuses = [only_row(pacing(store, Scope(until=time)))["status"] for time in times]
    assert statuses == ["not_started", "ahead", "exhausted", "ended", "ended"]


def test_spend_in_other_currencies_does_not_count(stored: Stored) -> None:
    flight = SPRING | {"budget": "10"}
    paid = [shown(1, n) | {"cost": "3", "currency": currency} for n, currency in enumerate(("EUR", "USD", None))]
    store = fill(stored, flight, impressions=paid)

    answer = pacing(store)
    spend = answer.table("rows").row(by_predicate=pl.col("measure") == "spend", named=True)
    assert spend["delivered"] == 3
    assert answer.table("other_spend").rows() == [("k1", APRIL, "USD", 3), ("k1", APRIL, None, 3)]


def test_an_earlier_answer_stays_the_same(stored: Stored) -> None:
    store = fill(stored, SPRING, impressions=[shown(1), shown(2)])
    as_of = store.settled()
    before = pacing(store, Scope(as_of=as_of))
    stored(bids=[{"timestamp": "2026-04-12T00:00:00Z"}])
    store.import_catalogue(CATALOGUE, campaign_rows(SPRING | {"impressions": 7}))

    assert pacing(store, Scope(as_of=as_of)).to_dict() == before.to_dict()
    assert only_row(pacing(store))["booked"] == 7
    assert pacing(store).facts["at"] == datetime(2026, 4, 12)


@pytest.mark.parametrize(
    "scope", [Scope(since=APRIL), Scope(where={"app": "a"}), Scope(where={"campaign_id": "k1"})], ids=str
)
def test_a_scope_that_cuts_flights_is_an_error(stored: Stored, scope: Scope) -> None:
    with pytest.raises(ConfigurationError, match="pacing looks at") as caught:
        pacing(fill(stored, SPRING, impressions=[shown(1)]), scope)
    assert "leave it out" in caught.value.hint


def test_an_unknown_curve_is_an_error(stored: Stored) -> None:
    with pytest.raises(ConfigurationError, match=r"curve \(--curve\): unknown value 'flat'"):
        pacing(fill(stored, SPRING, impressions=[shown(1)]), curve="flat")  # type: ignore[arg-type]


def test_nothing_to_look_at_is_an_error(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no flights found"):
        pacing(fill(stored, impressions=[shown(1)]))
    with pytest.raises(AnalysisError, match="no flights found"):
        pacing(fill(stored, SPRING), Scope(campaign="other"))


def test_a_flight_without_events_needs_a_time(stored: Stored) -> None:
    store = fill(stored, SPRING)

    with pytest.raises(AnalysisError, match="no events found"):
        pacing(store)
    row = only_row(pacing(store, Scope(until=APRIL + timedelta(days=5))))
    assert (row["delivered"], row["expected"], row["projected"]) == (0, 50, 0.0)


def test_a_feed_that_ends_early_is_noted(stored: Stored) -> None:
    clicks = [{"timestamp": (APRIL + timedelta(days=day)).isoformat() + "Z"} for day in (1,)]
    store = fill(stored, SPRING | {"clicks": 5}, impressions=[shown(3)], clicks=clicks)

    (note,) = pacing(store).notes
    assert note.startswith("The last of the clicks is of 2026-04-07 00:00 UTC")
    assert pacing(fill(stored, SPRING)).notes == []


def test_the_figures_show_flights_under_way(stored: Stored) -> None:
    before = SPRING | {"start": APRIL - timedelta(days=9), "end": APRIL}
    store = fill(stored, before, SPRING | {"clicks": 5, "budget": "3"}, impressions=[shown(1), shown(5)])

    answer = pacing(store)
    assert answer.table("running")["campaign_id"].to_list() == ["k1"]
    assert [chart.y for chart in answer.charts] == [("impressions_pace", "clicks_pace", "spend_pace"), ("at_stake",)]
    page = answer.to_html()
    assert "Pace by campaign" in page
    assert "not started" not in page
    assert "behind" in page


@pytest.mark.parametrize("scope", [None, "k1", {"campaign": "k1"}])
def test_a_scope_of_another_type_is_an_error(stored: Stored, scope: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a Scope"):
        pacing(fill(stored, SPRING, impressions=[shown(1)]), scope)


def test_events_that_are_not_kept_are_noted(stored: Stored) -> None:
    store = fill(stored, SPRING, impressions=[shown(1), shown(5)])
    store.drop_before(APRIL + timedelta(days=3))

    answer = pacing(store)
    assert only_row(answer)["delivered"] == 1
    assert any("Nothing before 2026-04-09 (UTC) is kept" in note for note in answer.notes)


def test_a_flight_may_last_for_ever(stored: Stored) -> None:
    flight = SPRING | {"end": datetime(9999, 12, 31, 23, 59, 59)}
    store = fill(stored, flight, impressions=[shown(day) for day in range(30)])

    for curve in ("linear", "weekday"):
        row = only_row(pacing(store, Scope(zone="Asia/Kolkata"), curve=curve))  # type: ignore[arg-type]
        assert row["delivered"] == 30
        assert row["curve"] == curve
