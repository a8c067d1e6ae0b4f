"""Like days: the preceding days whose weekday is usually as busy as that of the evaluated day.

A feed that rests at weekends is compared with other weekends, and a feed that does not with all days. What is usual on
a weekday is the median of its values at this time of day. Of the two middle values of an even number, the one nearer to
the median of all days is used: after one bank holiday in two Mondays, a normal Monday remains normal.
"""

import numpy as np

from advertisex.monitoring.grid import Floats

#: Occurrences of a weekday in the history from which on it is known what is usual on it.
KNOWN_WEEKS = 2
#: Weekdays are alike if the lesser of their values is at least this fraction of the greater.
ALIKE = 0.75


def like_days(values: Floats, day: int, overall: Floats) -> tuple[Floats, Floats]:
    """Select the values of the days that are like a day.

    Args:
        values: values of the preceding days, (rows, days, buckets of a day); NaN where there is none.
        day: number of the evaluated day, on any count of days; the last of the preceding days is the one before it.
        overall: the median of all preceding days, (rows, buckets of a day).

    Returns:
        The values, with NaN instead of those of other days and in buckets in which the evaluated weekday is not known
        yet, and the number of like days, (rows, buckets of a day).
    """
    weekdays = (np.arange(values.shape[1]) - values.shape[1] + day) % 7
    usual = np.stack([_usual(values[:, weekdays == weekday], overall) for weekday in range(7)], axis=1)
    today = usual[:, [day % 7]]
    is_known = (~np.isnan(values[:, weekdays == day % 7])).sum(axis=1, keepdims=True) >= KNOWN_WEEKS
    is_alike = is_known & (np.minimum(usual, today) >= ALIKE * np.maximum(usual, today))
    selected = np.where(is_alike[:, weekdays], values, np.nan)
    return selected, (~np.isnan(selected)).sum(axis=1).astype(np.float64)


def _usual(values: Floats, overall: Floats) -> Floats:
    """The median over the days; of two middle values, the one nearer to `overall`. NaN if all values are NaN."""
    if not values.shape[1]:
        return np.full(overall.shape, np.nan)
    ordered = np.sort(values, axis=1)  # NaN sorts last
    count = (~np.isnan(values)).sum(axis=1, keepdims=True)
    low, high = (
        np.take_along_axis(ordered, np.maximum(middle, 0), axis=1).squeeze(1)
        for middle in ((count - 1) // 2, np.minimum(count // 2, count - 1))
    )
    return np.asarray(np.where(np.abs(low - overall) < np.abs(high - overall), low, high))
