"""What cannot be simulated is said at once."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from advertisex.errors import ConfigurationError
from advertisex.ingestion.simulator import DEFAULT_START, FaultRates, SimulationSettings


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
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        SimulationSettings(**wrong)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ConfigurationError, match="bad_website"):
        FaultRates(bad_website=rate)


def test_rates_add_up_to_one_at_most() -> None:
    with pytest.raises(ConfigurationError, match="add up"):
        FaultRates(bad_website=0.6, bad_amount=0.6)


def test_a_start_without_a_zone_is_utc_and_one_with_a_zone_is_heeded() -> None:
    naive = SimulationSettings(start=datetime(2026, 1, 5)).start_micros
    assert naive == SimulationSettings().start_micros == int(DEFAULT_START.timestamp() * 1e6)
    east = datetime(2026, 1, 5, tzinfo=timezone(timedelta(hours=2)))
    assert SimulationSettings(start=east).start_micros == naive - 2 * 3_600_000_000


def test_there_are_more_users_in_more_traffic() -> None:
    assert SimulationSettings(events=10).user_count == 20
    assert SimulationSettings(events=1_000_000).user_count == 40_000
    assert SimulationSettings(users=7).user_count == 7
