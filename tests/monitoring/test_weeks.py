"""Baselines know the week: quiet weekends raise nothing, a bank holiday is reported once, and incidents are found."""

from datetime import datetime, timedelta
from itertools import product

import pytest

from advertisex.monitoring.days_off import is_off
from advertisex.monitoring.rules import Key
from advertisex.settings.alerts import AlertSettings
from tests.budget import some
from tests.monitoring.simulated_days import DEFAULTS, START, Days, changed, evaluated, fired, quiet, tallies

QUARTER = timedelta(minutes=15)
A_DAY = timedelta(days=1) // QUARTER
DAYS = 37  # the last complete week follows four others
THIRD_WEEK = 14 * A_DAY
HOLIDAY = 28  # a Monday
WEEKENDS = (0.0, 0.1, 0.3, 0.45, 0.8)


def month(weekend: float, impressions: float = 200_000, holiday: int | None = None) -> Days:
    days = quiet(DAYS, QUARTER, impressions, weekend=weekend)
    if holiday is None:
        return days
    rate = days.rate.copy()
    rate[holiday * A_DAY : (holiday + 1) * A_DAY] *= weekend
    return changed(days, rate=rate)


def fired_from(
    days: Days, seed: int, since: int, settings: AlertSettings = DEFAULTS, campaigns: int = 0
) -> list[tuple[Key, datetime]]:
    return fired(evaluated(tallies(days, seed, campaigns), days, since, settings))


@pytest.mark.parametrize(("impressions", "weekend"), some(product([200_000, 20_000], WEEKENDS), 4))
def test_weekends_raise_nothing_from_the_third_week_on_and_a_bank_holiday_is_reported_once_per_feed(
    weekend: float, impressions: float
) -> None:
    seed = int(100 * weekend) + impressions // 1000
    found = fired_from(month(weekend, impressions, HOLIDAY), seed, THIRD_WEEK)
    assert {(bucket - START).days for _, bucket in found} <= {HOLIDAY}
    assert len({key.feed for key, _ in found}) == len(found)
    assert bool(found) == (weekend < 0.5)


@pytest.mark.parametrize("weekend", WEEKENDS)
def test_a_bank_holiday_in_the_settings_raises_nothing(weekend: float) -> None:
    off = AlertSettings(days_off=[f"{START + timedelta(days=HOLIDAY):%Y-%m-%d}"])
    assert fired_from(month(weekend, 200_000, HOLIDAY), 1, (HOLIDAY - 2) * A_DAY, off) == []


def test_campaigns_that_rest_at_weekends_raise_nothing_either() -> None:
    assert fired_from(month(0.0), 3, THIRD_WEEK, campaigns=3) == []


def test_a_holiday_on_one_of_two_known_mondays_makes_the_next_monday_not_unusual() -> None:
    days = month(0.1, holiday=7)
    until = 16 * A_DAY
    assert fired_from(changed(days, **{name: getattr(days, name)[..., :until] for name in ARRAYS}), 2, 14 * A_DAY) == []


ARRAYS = ("rate", "ctr", "cvr", "rejects", "duplicates", "delay", "present")


def test_days_off_are_days_of_the_feed_in_the_time_zone_of_the_settings() -> None:
    starts = [START + hours * timedelta(hours=1) for hours in range(14 * 24)]
    days = AlertSettings(days_off={"all": ["2026-03-09"], "clicks": ["Sunday"]}).days_off

    def off(feed: str, zone: str = "UTC") -> list[datetime]:
        flags = is_off(days, feed, starts, timedelta(hours=1), zone)
        return [start for start, flag in zip(starts, flags, strict=True) if flag]

    assert off("bids") == [datetime(2026, 3, 9, hour) for hour in range(24)]
    assert (len(off("clicks")), off("clicks")[0]) == (72, datetime(2026, 3, 8))
    assert (len(off("bids", "America/New_York")), off("bids", "America/New_York")[0]) == (24, datetime(2026, 3, 9, 4))
    assert AlertSettings(days_off=["sunday"]).days_off == AlertSettings(days_off={"all": ["sunday"]}).days_off


@pytest.mark.parametrize("weekend", [0.0, 0.3, 0.8])
def test_incidents_are_found_as_quickly_as_before(weekend: float) -> None:
    """A feed stops on a Tuesday for three hours, and on a Sunday if it delivers then; a feed loses most of a day."""
    days = month(weekend)
    sunday, tuesday, wednesday = (day * A_DAY + 10 * 4 for day in (27, 29, 30))
    present = days.present.copy()
    present[1, tuesday : tuesday + 12] = 0
    present[2, sunday : sunday + 12] = 0
    present[0, wednesday : wednesday + A_DAY] = 0.3
    found = fired_from(changed(days, present=present), 4, 27 * A_DAY)
    after = {(key.rule, key.feed): (bucket - START) // QUARTER + 1 for key, bucket in found}
    assert after["silence", "clicks"] - tuesday == 2
    assert after["volume", "impressions"] - wednesday in {2, 3}
    assert (("silence", "bids") in after) == (weekend > 0)
    assert after.get(("silence", "bids"), sunday + 2) - sunday == 2
