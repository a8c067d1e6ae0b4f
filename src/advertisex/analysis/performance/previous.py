"""The period that a range, a day, a week or a month is compared with."""

from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.analysis.breakdown import Breakdown
from advertisex.analysis.calendar import local_day, midnight, preceding, start_of
from advertisex.analysis.performance.measures import Measures, measure
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

_UNITS = {"day": "1d", "week": "1w", "month": "1mo"}


def previous_scope(scope: Scope, by: Breakdown) -> Scope | None:
    """The range that is read besides, to compare with it; None if nothing precedes it.

    By a calendar period, that is the period before the first one. Otherwise it is the range of the same length before,
    in the clock time of the zone: the week before a week has as many days, also if the clocks change.
    """
    try:
        return _before(scope, by)
    except OverflowError:  # nothing precedes the calendar
        return None


def _before(scope: Scope, by: Breakdown) -> Scope | None:
    if scope.since is None:
        return None
    if by.period is not None:
        first = local_day(scope.since, scope.zone)
        begin, end = (midnight(day, scope.zone) for day in (preceding(first, by.period), start_of(first, by.period)))
        return replace(scope, since=begin, until=end)
    if scope.until is None:
        return None
    zone = ZoneInfo(scope.zone)
    since, until = (
        time.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) for time in (scope.since, scope.until)
    )
    begin = (since - (until - since)).replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
    return replace(scope, since=begin, until=scope.since)


def previous_measures(store: EventStore, scope: Scope, by: Breakdown, own: Measures) -> Measures | None:
    """What the measures of a scope are compared with, under the same keys; None if there is nothing.

    Args:
        store: the event store.
        scope: the scope.
        by: the breakdown of its measures.
        own: the measures of the scope.
    """
    before = previous_scope(scope, by)
    found = None if before is None else measure(store, before, by)
    if by.period is None:
        return found
    following = pl.col("key").dt.offset_by(_UNITS[by.period])
    parts = [own] if found is None else [own, found]
    counts, spend, revenue = (
        pl.concat(getattr(part, name) for part in parts).with_columns(following)
        for name in ("counts", "spend", "revenue")
    )
    return Measures(counts, spend, revenue, found.rows if found else {}, without_cost=0)
