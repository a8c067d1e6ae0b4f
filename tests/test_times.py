from datetime import UTC, datetime, timedelta, timezone

from advertisex.times import micros_of, time_of


def test_a_time_without_a_zone_is_in_utc() -> None:
    aware = datetime(2026, 1, 5, 9, 0, 0, 1, tzinfo=UTC)
    shifted = aware.astimezone(timezone(timedelta(hours=2)))
    assert micros_of(aware) == micros_of(aware.replace(tzinfo=None)) == micros_of(shifted) == 1_767_603_600_000_001
    assert time_of(micros_of(aware)) == aware
