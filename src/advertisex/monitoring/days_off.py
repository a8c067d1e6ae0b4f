"""Days off: days on which a feed is expected to deliver less than usual, or nothing."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from advertisex.settings.alerts import WEEKDAYS, DaysOff

Bools = npt.NDArray[np.bool_]


def is_off(days: DaysOff, feed: str, starts: Sequence[datetime], bucket: timedelta, zone: str) -> Bools:
    """Whether each bucket lies at least partly in a day off of a feed.

    Args:
        days: the days off.
        feed: name of the feed.
        starts: start of each bucket, naive UTC.
        bucket: length of a bucket.
        zone: time zone of the days.
    """
    named = (*days.all, *getattr(days, feed))
    if not named:
        return np.zeros(len(starts), dtype=np.bool_)
    weekdays = [WEEKDAYS.index(name) + 1 for name in named if name in WEEKDAYS]
    dates = [date.fromisoformat(name) for name in named if name not in WEEKDAYS]
    start = pl.Series(starts, dtype=pl.Datetime("us"))
    found = np.zeros(len(starts), dtype=np.bool_)
    for time in (start, start + (bucket - timedelta(microseconds=1))):
        local = time.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        found |= (local.dt.weekday().is_in(weekdays) | local.dt.date().is_in(dates)).to_numpy()
    return found
