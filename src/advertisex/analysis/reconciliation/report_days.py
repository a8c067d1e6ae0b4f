"""The days of a report that are compared."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from advertisex.analysis.calendar import local_day, midnight
from advertisex.analysis.reconciliation.partner_report import PartnerReport
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, SourceError

#: The days at the ends of the calendar begin or end outside of it in some time zones.
_FIRST, _LAST = date.min + timedelta(days=2), date.max - timedelta(days=2)


@dataclass(frozen=True)
class ReportDays:
    """The days to compare.

    Attributes:
        first, last: the range.
        rows: the rows of the report in it.
        outside: number of other rows of the report.
    """

    first: date
    last: date
    rows: pl.DataFrame
    outside: int


def days_of(report: PartnerReport, scope: Scope) -> ReportDays:
    """The days of the report that lie whole in the scope.

    Raises:
        AnalysisError: there are none.
        SourceError: the report has a day at an end of the calendar.
    """
    rows = report.rows
    if scope.campaign is not None:
        rows = rows.filter(pl.col("campaign_id") == scope.campaign)
    known: tuple[Any, Any] = report.rows["day"].min(), report.rows["day"].max()
    for day in known:
        if not _FIRST < day < _LAST:
            raise SourceError(f"the report has the day {day}, which no event can have", where=report.name)
    first: Any = rows["day"].min()
    last: Any = rows["day"].max()
    if scope.since is not None:
        first = local_day(scope.since - timedelta.resolution, scope.zone) + timedelta(days=1)
    if scope.until is not None:
        last = local_day(scope.until, scope.zone) - timedelta(days=1)
    inside = rows if first is None or last is None else rows.filter(pl.col("day").is_between(first, last))
    if inside.is_empty():
        raise AnalysisError(
            "the report has no row of the range and campaign", where=report.name,
            hint=f"its days are those from {known[0]} to {known[1]}; check --since, --until and --campaign",
        )  # fmt: skip
    return ReportDays(first, last, inside, rows.height - inside.height)


def midnight_after(day: date, zone: str) -> datetime:
    """The time (naive UTC) at which a day ends in a zone."""
    return midnight(day + timedelta(days=1), zone)
