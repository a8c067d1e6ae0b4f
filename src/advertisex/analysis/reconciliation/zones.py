"""The time zones that a partner's days may be in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import numpy.typing as npt
import polars as pl

Days = npt.NDArray[np.int64]
_QUARTER, _DAY = 15, 1440
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC, like all times here
#: Zones of these regions are named first, as examples.
_REGIONS = ("Europe/", "America/", "Asia/", "Australia/")
_NO_PLACES = {"Factory", "localtime"}


@dataclass(frozen=True)
class ZoneDays:
    """The days of some zones in which the clocks show the same throughout a report.

    Attributes:
        name: their offset from UTC; if it changes, also one of the zones.
        days: day of each slot, as days since the epoch.
    """

    name: str
    days: Days


def zone_days(slots: pl.Series, zone: str) -> Days:
    """The day of each slot (naive UTC, sorted) in a zone, as days since the epoch."""
    minutes = slots.dt.epoch("s").to_numpy() // 60
    days: Days = (minutes + _offsets(slots.to_list(), minutes // _DAY, zone)) // _DAY
    return days


def dates(days: Days) -> pl.Series:
    """Days since the epoch as dates."""
    return pl.Series(days, dtype=pl.Int32).cast(pl.Date)


def zones_of(slots: pl.Series, own: str) -> list[ZoneDays]:
    """The days of the slots in all time zones, those nearest to ours first; zones that give the same are one.

    Args:
        slots: starts of quarters of an hour (naive UTC), sorted.
        own: our time zone.
    """
    times, minutes = slots.to_list(), slots.dt.epoch("s").to_numpy() // 60
    found: dict[bytes, tuple[list[str], Days]] = {}
    for zone in sorted(available_timezones() - _NO_PLACES):
        offsets = _offsets(times, minutes // _DAY, zone)
        if not (offsets % _QUARTER).any():
            found.setdefault(offsets.tobytes(), ([], offsets))[0].append(zone)
    here = _offsets(times, minutes // _DAY, own)
    nearest = sorted(found.values(), key=lambda one: (int(np.abs(one[1] - here).sum()), one[0]))
    return [ZoneDays(_name(zones, offsets), (minutes + offsets) // _DAY) for zones, offsets in nearest]


def _offsets(times: Sequence[datetime], days: Days, zone: str) -> Days:
    """How many minutes the clocks of a zone show more than UTC at each time; days are those of the times in UTC."""
    offsets = np.zeros(len(times), dtype=np.int64)
    for start, end in pairwise([0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(times)]):
        if start < end:
            same = _offset_of_day(int(days[start]), zone)
            offsets[start:end] = [_offset(time, zone) for time in times[start:end]] if same is None else same
    return offsets


@lru_cache(maxsize=100_000)
def _offset_of_day(day: int, zone: str) -> int | None:
    """The offset of a zone throughout a day (UTC); None if it changes."""
    start = _EPOCH + timedelta(days=day)
    first, last = _offset(start, zone), _offset(start + timedelta(days=1), zone)
    return first if first == last else None


def _offset(time: datetime, zone: str) -> int:
    shown = time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return shown // timedelta(minutes=1)


def _name(zones: Sequence[str], offsets: Days) -> str:
    shown = "/".join(f"{'-' if one < 0 else '+'}{abs(one) // 60:02}:{abs(one) % 60:02}" for one in np.unique(offsets))
    if "/" not in shown:
        return f"UTC{shown}"
    place = min(zones, key=lambda zone: (next((n for n, r in enumerate(_REGIONS) if zone.startswith(r)), 9), zone))
    return f"UTC{shown} ({place})"
