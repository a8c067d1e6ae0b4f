"""The overview has the numbers of performance and pacing, of today and of a week before."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.answer import Answer
from advertisex.analysis.calendar import local_day, midnight
from advertisex.analysis.overview.report import overview
from advertisex.analysis.pacing.report import pacing
from advertisex.analysis.performance.report import performance
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.questions.overview import ALERTS
from advertisex.stores.contract import EventStore, Range
from tests.analysis.conftest import Stored
from tests.analysis.quality_oracle import percentile
from tests.analysis.small_worlds import MOVING, Rows, dataset
from tests.analysis.test_performance import CLICKED, PLACED, SHOWN, flights
from tests.budget import examples
from tests.catalogues import campaign_rows

NO_ALERTS = pl.DataFrame(schema=ALERTS)
ZONES = ["UTC", "America/New_York", "Asia/Kathmandu"]
_COUNTS = ("impressions", "clicks", "conversions")


def overview_of(store: EventStore, scope: Scope = Scope(), alerts: pl.DataFrame = NO_ALERTS, **known: Any) -> Answer:
    return overview(store, scope, alerts=alerts, **known)


def performed(store: EventStore, scope: Scope) -> dict[str, Any]:
    """The facts of performance; nothing, if there is nothing."""
    try:
        return dict(performance(store, scope).facts)
    except AnalysisError:
        return dict.fromkeys(_COUNTS, 0) | {"spend": {}, "revenue": {}}


def without_zeros(amounts: dict[str, Decimal]) -> dict[str, Decimal]:
    return {currency: amount for currency, amount in amounts.items() if amount}


@settings(max_examples=examples(40))
@given(
    st.lists(SHOWN, min_size=1, max_size=8),
    st.lists(CLICKED, max_size=8),
    st.lists(PLACED, max_size=4),
    flights(),
    st.none()
    | st.integers(0, 24 * 4 * 12).map(lambda quarters: datetime(2026, 1, 1) + quarters * timedelta(minutes=15)),
    st.sampled_from(ZONES),
)
def test_today_and_a_week_before_have_the_numbers_of_performance(
    impressions: Rows, clicks: Rows, bids: Rows, plan: Rows, until: datetime | None, zone: str
) -> None:
    with dataset(MOVING, campaign_rows(*plan), impressions=impressions, clicks=clicks, bids=bids) as data:
        found = overview_of(data.store, Scope(until=until, zone=zone))
        at = found.facts["at"]
        since, week = midnight(local_day(at, zone), zone), timedelta(days=7)  # no clock changes in January
        today = Scope(since, at + timedelta.resolution, zone=zone)
        before = replace(today, since=since - week, until=at + timedelta.resolution - week)
        for scope, suffix in ((today, ""), (before, "_previous")):
            expected = performed(data.store, scope)
            counts = found.table("counts").row(0, named=True)
            assert {name: counts[f"{name}{suffix}"] for name in _COUNTS} == {name: expected[name] for name in _COUNTS}
            for table, amounts in (("money", found.table("money")), ("money_by_hour", found.table("money_by_hour"))):
                for name in ("spend", "revenue"):
                    sums = dict(amounts.group_by("currency").agg(pl.col(f"{name}{suffix}").sum()).iter_rows())
                    sums = {currency or "": amount for currency, amount in sums.items()}
                    assert without_zeros(sums) == without_zeros(expected[name]), table
            hours = found.table("hours")
            assert {n: hours[f"{n}{suffix}"].sum() for n in _COUNTS} == {n: expected[n] for n in _COUNTS}
        assert hours["hour"].to_list() == list(range(hours.height))


def test_an_hour_is_one_of_the_clock(stored: Stored) -> None:
    """In Kathmandu, it is 5:45 hours later than in UTC; midnight is at 18:15."""
    times = ("2026-01-04T18:15:00Z", "2026-01-04T19:14:59Z", "2026-01-04T19:15:00Z", "2025-12-28T20:14:59Z")
    store = stored(impressions=[{"timestamp": time, "user_id": f"u{time}"} for time in times])
    hours = overview_of(store, Scope(zone="Asia/Kathmandu")).table("hours")
    assert hours.select("hour", "impressions", "impressions_previous").rows() == [(0, 2, 0), (1, 1, 0)]
    later = overview_of(store, Scope(until=datetime(2026, 1, 4, 21), zone="Asia/Kathmandu")).table("hours")
    assert later["impressions_previous"].to_list() == [0, 1, 0]


@pytest.mark.parametrize(
    ("at", "hours"),
    [("2026-03-29T21:59:59Z", 24), ("2025-10-26T22:59:59Z", 25), ("2026-04-05T21:59:59Z", 24)],
)
def test_days_on_which_clocks_change_have_all_their_hours(stored: Stored, at: str, hours: int) -> None:
    """In Paris, 29 March has 23 hours, and its week before 24; 26 October 2025 has 25; 5 April follows one of 23."""
    store = stored(impressions=[{"timestamp": at}])
    table = overview_of(store, Scope(zone="Europe/Paris")).table("hours")
    assert table.height == hours
    assert table["impressions"].sum() == 1


def test_at_risk_is_what_pacing_says_of_each_flight(stored: Stored) -> None:
    day = timedelta(days=1)
    start = datetime(2026, 1, 5)
    flight = {"start": start, "end": start + 10 * day, "currency": "EUR"}
    store = stored(impressions=[{"timestamp": f"2026-01-06T0{hour}:00:00Z"} for hour in range(10)])
    store.import_catalogue(
        MOVING,
        campaign_rows(
            flight | {"campaign_id": "k1", "impressions": 1_000, "budget": "7.5", "rate_type": "cpm", "rate": "3"},
            flight | {"campaign_id": "k2", "impressions": 1, "start": start + 9 * day, "budget": "1"},
        ),
    )
    alerts = pl.DataFrame({"rule": ["pacing", "ctr"], "campaign": ["k1", None]}, schema_overrides=ALERTS)
    found = overview_of(store, alerts=alerts)
    (row,) = found.table("at_risk").to_dicts()
    plan = pacing(store).table("rows").filter(pl.col("campaign_id") == "k1")
    most = plan.sort("at_stake", descending=True).row(0, named=True)
    assert row == {name: most[name] for name in row if name != "alerts"} | {"alerts": 1}
    assert found.table("alerts").height == 2
    assert overview_of(store, Scope(campaign="k2")).table("at_risk").is_empty()


def test_what_was_left_out_in_the_last_hour_is_counted(stored: Stored) -> None:
    facts = overview_of(stored(impressions=[{}]), lag=3, balanced=False).facts
    assert (facts["lag"], facts["balanced"]) == (3, False)
    assert [facts[f"{name}_last_hour"] for name in ("rejected", "filtered", "conflicts")] == [0, 0, 0]


def test_the_delay_is_that_of_the_last_hour(stored: Stored) -> None:
    minutes = [0, 1, 2, 30, 59]
    earlier = {"timestamp": "2026-01-05T08:59:29Z", "user_id": "earlier"}
    timed = [{"timestamp": f"2026-01-05T09:{minute:02}:30Z", "user_id": f"u{minute}"} for minute in minutes]
    store = stored(impressions=[earlier, *timed], clicks=[{"timestamp": "2026-01-05T09:00:30Z"}])
    rows = pl.concat(
        pl.concat(store.scan(feed, ["event_time", "ingested_at"], Range())) for feed in ("impressions", "clicks")
    )
    late = [
        (done - at) // timedelta(microseconds=1) for at, done in rows.iter_rows() if at.minute != 59 or at.hour == 9
    ]

    assert overview_of(store).facts["delay_seconds"] == Decimal(percentile(late, 95)).scaleb(-6)
    assert overview_of(store, Scope(until=datetime(2026, 1, 5, 12))).facts["delay_seconds"] is None


def test_options_that_do_not_fit_are_errors(stored: Stored) -> None:
    store = stored()
    with pytest.raises(AnalysisError, match="no events found"):
        overview_of(store)
    stored(impressions=[{}])
    for scope in (Scope(since=datetime(2026, 1, 1)), Scope(where={"website": "a.example.com"})):
        with pytest.raises(ConfigurationError, match="the overview is about"):
            overview_of(store, scope)


@pytest.mark.parametrize(
    ("until", "zone"),
    [
        (datetime(1, 1, 1), "UTC"),
        (datetime(1, 1, 3, 5), "Asia/Kathmandu"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999), "Pacific/Kiritimati"),
    ],
)
def test_a_day_at_an_end_of_the_calendar_is_an_error(stored: Stored, until: datetime, zone: str) -> None:
    with pytest.raises(ConfigurationError, match="outside of the calendar"):
        overview_of(stored(impressions=[{}]), Scope(until=until, zone=zone))


def test_a_campaign_that_does_not_exist_is_an_error(stored: Stored) -> None:
    store = stored(impressions=[{}])
    for campaign in ("nope", ""):
        with pytest.raises(AnalysisError, match="no events of today and no flights"):
            overview_of(store, Scope(campaign=campaign))
