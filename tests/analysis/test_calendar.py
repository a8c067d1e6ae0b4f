"""Hours, days, weeks and months in a time zone are those of the standard library, also when the clocks change."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.analysis.calendar import PERIODS, midnight, period
from advertisex.analysis.funnel import funnel
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import ConfigurationError
from advertisex.stores.contract import EventStore
from tests.analysis.small_worlds import expected_period

Stored = Callable[..., EventStore]
#: Whole hours, half hours, a change by half an hour, a change at midnight, a country that skipped a day.
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Asuncion", "Pacific/Apia")
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1))
#: Around the changes of Berlin's clocks in 2026, and of Asuncion's at midnight.
CHANGES = (datetime(2026, 3, 29, 1), datetime(2026, 10, 25, 1), datetime(2023, 10, 1, 4), datetime(2023, 3, 26, 3))
NEAR = st.builds(lambda at, minutes: at + timedelta(minutes=minutes), st.sampled_from(CHANGES), st.integers(-180, 180))


def periods(times: list[datetime], name: Any, zone: str) -> list[Any]:
    frame = pl.DataFrame({"event_time": times}, schema={"event_time": pl.Datetime("us")})
    return frame.select(period(name, zone)).to_series().to_list()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", PERIODS)
def test_periods_are_those_of_the_standard_library(name: Any, zone: str) -> None:
    @given(st.lists(TIMES | NEAR, min_size=1, max_size=30))
    def check(times: list[datetime]) -> None:
        assert periods(times, name, zone) == [expected_period(time, name, zone) for time in times]

    check()


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_begins_at_its_first_instant(zone: str) -> None:
    @given((TIMES | NEAR).map(lambda time: time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()))
    def check(day: date) -> None:
        start = midnight(day, zone)
        assert periods([start, start - timedelta.resolution], "day", zone) == [
            day,
            expected_period(start - timedelta.resolution, "day", zone),
        ]
        assert expected_period(start, "day", zone) == day
        assert expected_period(start - timedelta.resolution, "day", zone) < day

    check()


@pytest.mark.parametrize(("day", "hours"), [(28, 24), (29, 23)])
def test_a_day_has_23_hours_when_clocks_go_forward(day: int, hours: int) -> None:
    start, end = midnight(date(2026, 3, day), "Europe/Berlin"), midnight(date(2026, 3, day + 1), "Europe/Berlin")
    assert end - start == timedelta(hours=hours)


def test_the_day_when_clocks_go_back_has_25_hours(stored: Stored) -> None:
    first = datetime(2025, 10, 25, 22)
    times = [(first + timedelta(hours=passed, minutes=30)).isoformat() + "Z" for passed in range(25)]
    store = stored(impressions=[{"timestamp": time} for time in times])
    scope = Scope(zone="Europe/Berlin")
    by_hour, by_day = (funnel(store, scope, by=by).table("rows") for by in ("hour", "day"))
    assert by_hour["hour"].to_list() == [first + timedelta(hours=passed) for passed in range(25)]
    assert by_day.select("day", "impressions").rows() == [(date(2025, 10, 26), 25)]


def test_weeks_begin_on_monday_and_belong_to_their_year(stored: Stored) -> None:
    days = ["2025-12-28", "2025-12-29", "2026-01-01", "2026-01-04", "2026-01-05"]
    store = stored(impressions=[{"timestamp": f"{day}T12:00:00Z"} for day in days])
    rows = funnel(store, Scope(), by="week").table("rows")
    mondays = [date(2025, 12, 22), date(2025, 12, 29), date(2026, 1, 5)]
    assert rows.select("week", "impressions").rows() == list(zip(mondays, [1, 3, 1], strict=True))


def test_the_zone_of_a_scope_moves_events_between_days(stored: Stored) -> None:
    store = stored(impressions=[{"timestamp": "2026-01-05T23:30:00Z"}], clicks=[{"timestamp": "2026-01-06T01:00:00Z"}])
    for zone, days in {"UTC": [5, 6], "Europe/Berlin": [6], "America/New_York": [5]}.items():
        rows = summarise(store, Scope(zone=zone), by="day").table("days")
        assert rows["day"].to_list() == [date(2026, 1, day) for day in days]
    assert summarise(store, Scope(zone="Europe/Berlin")).to_dict()["range"]["zone"] == "Europe/Berlin"


def test_restated_days_are_those_of_the_zone(stored: Stored) -> None:
    store = stored(clicks=[{"timestamp": "2026-01-05T23:30:00Z"}, {"timestamp": "2026-01-06T22:59:00Z"}])
    answer = restatement(store, Scope(zone="Europe/Berlin"), start=datetime(2020, 1, 1))
    assert answer.table("restated")["day"].unique().to_list() == [date(2026, 1, 6)]


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "../UTC", 1, None])
def test_an_unknown_zone_is_an_error(zone: Any) -> None:
    with pytest.raises(ConfigurationError, match="unknown time zone"):
        Scope(zone=zone)
