"""Reach, against plain loops and worked examples."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.reach.report import OVER, reach
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.stores.contract import EventStore
from tests.analysis.small_worlds import (
    CATALOGUE,
    CLICKS,
    IMPRESSIONS,
    MOVING,
    START,
    Rows,
    dataset,
    expected_period,
    scopes,
)
from tests.budget import examples
from tests.catalogues import campaign_rows

Stored = Callable[..., EventStore]
MEASURES = ("users", "impressions", "users_once", "max_frequency", "average_frequency")


def measures(frequencies: Counter[str]) -> tuple[float, ...]:
    numbers = list(frequencies.values())
    return (len(numbers), sum(numbers), numbers.count(1), max(numbers), sum(numbers) / len(numbers))


def distribution(frequencies: Counter[str]) -> list[tuple[float, ...]]:
    numbers = list(frequencies.values())
    return [
        (each, numbers.count(each), sum(n >= each for n in numbers), numbers.count(each) / len(numbers))
        for each in sorted(set(numbers))
    ]


#: Around the event times, the borders of months and of days when New York's clocks change.
BOUND = st.none() | st.builds(
    lambda days, micros: START + timedelta(days=days, microseconds=micros),
    st.sampled_from([0, 3, 4, 6, 31, 32]),
    st.integers(-1, 1),
)
#: Two flights of each campaign, one after the other.
_BOUNDS = st.lists(
    st.integers(0, 14).map(lambda half: START + timedelta(hours=12 * half)), min_size=4, max_size=4, unique=True
)
FLIGHTS = st.fixed_dictionaries({"k1": _BOUNDS.map(sorted), "k2": _BOUNDS.map(sorted)})


def is_in(row: dict[str, Any], scope: Scope) -> bool:
    since, until = scope.since or datetime(1, 1, 1), scope.until or datetime(9999, 1, 1)
    return scope.campaign in (None, row["campaign_id"]) and since <= row["event_time"] < until


@settings(max_examples=examples(40))
@given(st.lists(IMPRESSIONS, min_size=1, max_size=20), st.lists(CLICKS, max_size=5), scopes(BOUND), FLIGHTS)
def test_all_numbers_match_a_loop(
    impressions: Rows, clicks: Rows, scope: Scope, flights: dict[str, list[datetime]]
) -> None:
    booked = [
        {"campaign_id": name, "start": start, "end": end}
        for name, bounds in flights.items()
        for start, end in (bounds[:2], bounds[2:])
    ]
    with dataset(MOVING, impressions=impressions, clicks=clicks) as data:
        data.store.import_catalogue(MOVING, campaign_rows(*booked))
        rows = [row for row in data.impressions if is_in(row, scope)]
        if not rows:
            with pytest.raises(AnalysisError):
                reach(data.store, scope)
            return
        answer, *others = (reach(data.store, scope, by=by) for by in (None, *OVER))

    check_whole(answer, rows)
    check_converted(answer, rows, [row for row in data.clicks if row["conversions"] and is_in(row, scope)])
    for by, other in zip(OVER, others, strict=True):
        assert other.facts == answer.facts
        assert all(one.rows.equals(same.rows) for one, same in zip(other.tables[1:], answer.tables, strict=True))
        if by == "flight":
            check_flights(other, rows, booked)
        else:
            check_periods(other, rows, by, scope)


def check_whole(answer: Answer, rows: Rows) -> None:
    everybody = Counter(row["user_id"] for row in rows)
    campaigns = sorted({row["campaign_id"] for row in rows}, key=lambda name: (name is None, name))
    own = {name: Counter(row["user_id"] for row in rows if row["campaign_id"] == name) for name in campaigns}
    assert tuple(answer.facts[name] for name in MEASURES) == measures(everybody)
    assert answer.table("campaigns").select("campaign_id", *MEASURES).rows() == [
        (name, *measures(own[name])) for name in campaigns
    ]
    assert answer.table("frequency").rows() == distribution(everybody)
    assert answer.table("campaign_frequency").rows() == [
        (name, *row) for name in campaigns for row in distribution(own[name])
    ]
    assert answer.table("overlap").rows() == [
        (first, other, len(both), len(both) / len(own[first]))
        for first in campaigns
        for other in campaigns
        if None not in (first, other) and first != other and (both := own[first].keys() & own[other].keys())
    ]
    assert answer.computed_from["impressions"] == len(rows)


def check_converted(answer: Answer, rows: Rows, conversions: Rows) -> None:
    seen: list[tuple[int, bool]] = []
    for user in {row["user_id"] for row in rows}:
        first = min((row["event_time"] for row in conversions if row["user_id"] == user), default=None)
        shown = [row["event_time"] for row in rows if row["user_id"] == user]
        seen.append((sum(first is None or time <= first for time in shown), first is not None))
    numbers = sorted({number for number, _ in seen if number})
    expected = []
    for number in numbers:
        users, converters = (seen.count((number, True)) + seen.count((number, False)), seen.count((number, True)))
        at_least = sum(other >= number for other, _ in seen)
        so_far = sum(converts and 0 < other <= number for other, converts in seen)
        expected.append((number, users, converters, converters / users, at_least, converters / at_least, so_far))
    found = answer.table("converted")
    bounds = ["conversion_rate_low", "conversion_rate_high", "marginal_rate_low", "marginal_rate_high"]
    assert found.drop(bounds).rows() == expected
    for row in found.iter_rows(named=True):
        for name in ("conversion_rate", "marginal_rate"):
            assert 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] <= 1
    assert answer.facts["converters"] == sum(converts for number, converts in seen if number)
    assert answer.facts["converted_before"] == sum(not number for number, _ in seen)


def check_periods(answer: Answer, rows: Rows, by: str, scope: Scope) -> None:
    of = {id(row): expected_period(row["event_time"], by, scope.zone) for row in rows}
    periods = sorted(set(of.values()))
    firsts = Counter(
        min(of[id(row)] for row in rows if row["user_id"] == user) for user in {r["user_id"] for r in rows}
    )
    found = answer.tables[0].rows
    assert found.rows() == [
        (
            one,
            *measures(Counter(row["user_id"] for row in rows if of[id(row)] == one)),
            firsts[one],
            sum(number for other, number in firsts.items() if other <= one),
        )
        for one in periods
    ]
    # every impression is in one period, and every user is new in one
    assert (found["impressions"].sum(), found["new_users"].sum()) == (len(rows), answer.facts["users"])
    assert found["users_so_far"][-1] == answer.facts["users"]


def check_flights(answer: Answer, rows: Rows, booked: Rows) -> None:
    users: dict[Any, Counter[str]] = defaultdict(Counter)
    for row in rows:
        found = [
            (flight["start"], flight["end"])
            for flight in booked
            if flight["campaign_id"] == row["campaign_id"] and flight["start"] <= row["event_time"] < flight["end"]
        ]
        users[row["campaign_id"], *(found or [(None, None)])[0]][row["user_id"]] += 1
    keys = sorted(users, key=lambda key: [(part is None, part) for part in key])
    assert answer.tables[0].rows.rows() == [(*key, *measures(users[key])) for key in keys]


def test_worked_example(stored: Stored) -> None:
    shown = [("a", "c1"), ("a", "c1"), ("a", "c3"), ("b", "c2"), ("c", "c4")]
    store = stored(
        CATALOGUE,
        impressions=[
            {"user_id": user, "creative_id": creative, "timestamp": f"2026-01-05T10:0{place}:00Z"}
            for place, (user, creative) in enumerate(shown)
        ],
    )

    document = reach(store, Scope()).to_dict()

    assert (document["users"], document["impressions"], document["average_frequency"]) == (3, 5, 5 / 3)
    assert document["campaigns"][0] == {
        "campaign_id": "k1", "users": 2, "impressions": 3, "users_once": 1, "max_frequency": 2,
        "average_frequency": 1.5,
    }  # fmt: skip
    assert document["campaigns"][2]["campaign_id"] is None
    assert document["overlap"] == [
        {"campaign_id": "k1", "other_campaign_id": "k2", "users": 1, "share": 0.5},
        {"campaign_id": "k2", "other_campaign_id": "k1", "users": 1, "share": 1.0},
    ]


def test_impressions_without_a_campaign_have_no_overlap(stored: Stored) -> None:
    answer = reach(stored(impressions=[{}, {"user_id": "v"}]), Scope())

    assert answer.table("campaigns")["campaign_id"].to_list() == [None]
    assert answer.table("overlap").height == 0
    for chart in answer.charts:
        assert {chart.x, *chart.y, chart.colour or chart.x} <= set(answer.table(chart.table).columns)


def test_no_impressions_is_an_error(stored: Stored) -> None:
    with pytest.raises(AnalysisError, match="no impressions found") as caught:
        reach(stored(clicks=[{}], bids=[{}]), Scope(until=datetime(2027, 1, 1)))

    assert caught.value.where == "until 2027-01-01T00:00:00Z"


def test_frequency_before_converting(stored: Stored) -> None:
    """Ann converts after two of three impressions, Ben sees two, Cat one, and Dan converts before the first."""
    day = "2026-01-05T{:02}:00:00Z".format
    store = stored(
        impressions=[
            {"user_id": user, "timestamp": day(hour)}
            for user, hours in {"ann": (1, 2, 4), "ben": (1, 2), "cat": (1,), "dan": (2,)}.items()
            for hour in hours
        ],
        clicks=[
            {"user_id": user, "timestamp": day(hour), "conversion_type": "sale"}
            for user, hour in (("ann", 2), ("ann", 9), ("dan", 1), ("eve", 1))
        ],
    )

    answer = reach(store, Scope(), by="day")

    columns = ["impressions", "users", "converters", "conversion_rate", "users_at_least", "marginal_rate"]
    assert answer.table("converted").select(*columns, "converters_up_to").rows() == [
        (1, 1, 0, 0.0, 3, 0.0, 0),
        (2, 2, 1, 0.5, 2, 0.5, 1),
    ]
    assert (answer.facts["converters"], answer.facts["converted_before"]) == (1, 1)
    assert answer.computed_from == {"impressions": 7, "clicks": 3}
    for chart in answer.charts:
        assert {chart.x, *chart.y, chart.colour or chart.x} <= set(answer.table(chart.table).columns)


def test_the_campaign_selects_conversions_and_other_fields_do_not(stored: Stored) -> None:
    shown = [{"user_id": user, "creative_id": "c1", "app": "one"} for user in ("u1", "u2", "u3")]
    sold = [
        {"user_id": user, "campaign_id": campaign, "timestamp": "2026-01-06T00:00:00Z", "conversion_type": "sale"}
        for user, campaign in (("u1", "k1"), ("u2", "k2"))
    ]
    store = stored(CATALOGUE, impressions=shown, clicks=sold)

    assert reach(store, Scope(campaign="k1")).facts["converters"] == 1
    assert reach(store, Scope(where={"app": "one"})).facts["converters"] == 2
    assert reach(store, Scope(until=datetime(2026, 1, 6))).facts["converters"] == 0


def test_an_unknown_breakdown_is_reported(stored: Stored) -> None:
    with pytest.raises(ConfigurationError, match=r"by \(--by\): unknown value 'hour'") as caught:
        reach(stored(impressions=[{}]), by="hour")  # type: ignore[arg-type] # what a user may write

    assert "day, week, month, flight" in (caught.value.hint or "")
