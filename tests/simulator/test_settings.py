"""Invalid simulation settings are rejected on construction."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from advertisex.errors import ConfigurationError
from advertisex.simulator import DEFAULT_START, FaultRates, SimulationSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": -1},
        {"seed": -1},
        {"duration": timedelta(seconds=1)},
        {"users": 0},
        {"users": 10**9},
        {"start": datetime(1999, 1, 1, tzinfo=UTC)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_invalid_settings_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        SimulationSettings(**wrong)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_must_be_between_0_and_1(rate: float) -> None:
    with pytest.raises(ConfigurationError, match="bad_website"):
        FaultRates(bad_website=rate)


def test_rates_must_not_add_up_to_more_than_1() -> None:
    with pytest.raises(ConfigurationError, match="add up"):
        FaultRates(bad_website=0.6, bad_amount=0.6)


def test_a_naive_start_is_utc_and_a_zone_is_respected() -> None:
    naive = SimulationSettings(start=datetime(2026, 1, 5)).start_micros
    assert naive == SimulationSettings().start_micros == int(DEFAULT_START.timestamp() * 1e6)
    east = datetime(2026, 1, 5, tzinfo=timezone(timedelta(hours=2)))
    assert SimulationSettings(start=east).start_micros == naive - 2 * 3_600_000_000


def test_the_default_number_of_users_grows_with_the_traffic() -> None:
    assert SimulationSettings(events=10).user_count == 20
    assert SimulationSettings(events=1_000_000).user_count == 40_000
    assert SimulationSettings(users=7).user_count == 7
