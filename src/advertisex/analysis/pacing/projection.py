"""What a flight has delivered of one measure, what is expected by now, and where it will end.

The daily rate is what the complete days of the flight delivered, by their weight (see `curve`); before the first of
them is over, that of the time since the start. What remains is expected to come at this rate.

The interval takes the deliveries of days as independent and normal, with a variance in proportion to their weights.
With the deliveries y and the weights w of n complete days, the rate b = Σy / Σw is then the best linear unbiased one,
and what remains, of the weight R, is predicted as bR with an error of the variance s² (R + R² / Σw), where s² is
Σ((y − bw)² / w) / (n − 1). So the interval is projected ± t √(s² (R + R² / Σw)), with the 97.5 % quantile t of
Student's t with n − 1 degrees of freedom. Nothing delivered is taken back: the lower end is at least what is delivered.

R. M. Royall, "On finite population sampling theory under certain linear regression models", Biometrika 57 (1970)
377-387. Of days of equal weights, it is the interval of a sum of future observations in G. J. Hahn and W. Q. Meeker,
"Statistical Intervals", 1991.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Literal

from advertisex.analysis.calendar import local_day, midnight
from advertisex.analysis.intervals import CONFIDENCE
from advertisex.analysis.pacing.curve import Curve, Linear, first_midnight
from advertisex.analysis.student_t import two_sided_quantile

Status = Literal["not_started", "on_pace", "behind", "ahead", "ended", "exhausted"]

#: A flight is on pace within this part of what is expected.
TOLERANCE = Fraction(1, 10)

#: An interval needs as many complete days.
DAYS = 3


@dataclass(frozen=True, slots=True)
class Projection:
    """One measure of a flight, in the unit of what is booked.

    Attributes:
        delivered: what was delivered up to now.
        expected: what was expected up to now.
        projected: what the flight will have delivered at its end; None before it starts, and if its rate is unknown.
        low: lower end of the prediction interval; None without one.
        high: upper end.
        status: the status.
        curve: the curve that was used.
    """

    delivered: int
    expected: Fraction
    projected: Fraction | None
    low: Fraction | None
    high: Fraction | None
    status: Status
    curve: Curve

    @property
    def pace(self) -> Fraction | None:
        """Delivered / expected; None if nothing is expected."""
        return Fraction(self.delivered) / self.expected if self.expected else None


def project(
    booked: int, days: Mapping[date, int], start: datetime, end: datetime, at: datetime, curve: Curve
) -> Projection:
    """Project one measure of a flight to its end.

    Args:
        booked: what is booked.
        days: what the flight delivered on each day.
        start: its start.
        end: its end, exclusive.
        at: the current time.
        curve: how what is booked is spread; if it gives the flight no weight, it is spread evenly.
    """
    whole = curve.weight(start, end)
    if not whole:
        curve = Linear(curve.zone)
        whole = curve.weight(start, end)
    now = min(max(at, start), end)
    elapsed = curve.weight(start, now)
    delivered, expected = sum(days.values()), booked * elapsed / whole
    status = _status(booked, delivered, expected, start, end, at)
    if status == "not_started":
        return Projection(delivered, expected, None, None, None, status, curve)
    remaining = whole - elapsed
    if not remaining:
        exact = Fraction(delivered)
        return Projection(delivered, expected, exact, exact, exact, status, curve)
    complete = _complete_days(days, start, now, curve)
    rate = complete.rate
    if rate is None and elapsed:
        rate = Fraction(delivered) / elapsed
    if rate is None:
        return Projection(delivered, expected, None, None, None, status, curve)
    projected = delivered + rate * remaining
    half = complete.half_width(remaining)
    low, high = (None, None) if half is None else (max(Fraction(delivered), projected - half), projected + half)
    return Projection(delivered, expected, projected, low, high, status, curve)


@dataclass(frozen=True, slots=True)
class _CompleteDays:
    """The complete days of a flight that have a weight: their number, Σy, Σw and Σ(y² / w)."""

    number: int
    delivered: int
    weight: Fraction
    squares: Fraction

    @property
    def rate(self) -> Fraction | None:
        return self.delivered / self.weight if self.weight else None

    def half_width(self, remaining: Fraction) -> Fraction | None:
        """Half of the width of the prediction interval of what remains; None with too few days."""
        if self.number < DAYS or not self.weight:
            return None
        freedom = self.number - 1
        spread = (self.squares - self.delivered**2 / self.weight) / freedom
        variance = spread * (remaining + remaining**2 / self.weight)
        return Fraction(two_sided_quantile(round(1 - CONFIDENCE, 12), freedom) * math.sqrt(variance))


def _complete_days(days: Mapping[date, int], start: datetime, now: datetime, curve: Curve) -> _CompleteDays:
    first, begin = first_midnight(start, curve.zone)
    last = local_day(now, curve.zone)
    if first >= last:
        return _CompleteDays(0, 0, Fraction(0), Fraction(0))
    weights = {day: curve.day(day) for day in days if first <= day < last}
    counted = {day: days[day] for day, weight in weights.items() if weight}
    squares = sum((Fraction(count**2, weights[day]) for day, count in counted.items()), Fraction(0))
    weight = curve.weight(begin, midnight(last, curve.zone))
    return _CompleteDays(curve.count(first, last), sum(counted.values()), weight, squares)


def _status(booked: int, delivered: int, expected: Fraction, start: datetime, end: datetime, at: datetime) -> Status:
    if at <= start:
        return "not_started"
    if at >= end:
        return "ended"
    if delivered >= booked:
        return "exhausted"
    if delivered < (1 - TOLERANCE) * expected:
        return "behind"
    return "ahead" if delivered > (1 + TOLERANCE) * expected else "on_pace"
