"""Today beside the same hours of the same day of the week before."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.analysis.breakdown import Breakdown
from advertisex.analysis.calendar import local_day, midnight
from advertisex.analysis.cost import COST
from advertisex.analysis.money import decimals
from advertisex.analysis.performance.measures import COUNTS, Measures, measure
from advertisex.analysis.performance.tables import count_rows, money_rows
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

_WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Today:
    """The day of a time until then, and the same hours a week before.

    Attributes:
        scope: the day, until the time.
        before: the same hours a week before, in the clock time of the zone.
        own: the measures of the day, by hour.
        previous: those of the week before, by hour.
    """

    scope: Scope
    before: Scope
    own: Measures
    previous: Measures

    @classmethod
    def of(cls, store: EventStore, scope: Scope, at: datetime) -> "Today":
        """Measure the day.

        Args:
            store: the event store.
            scope: selects the events; its range is not used.
            at: the time (naive UTC); it is in the day.

        Raises:
            AnalysisError: a sum of money may overflow.
        """
        day = local_day(at, scope.zone)
        today = replace(scope, since=midnight(day, scope.zone), until=at + timedelta.resolution)
        clock = (at + timedelta.resolution).replace(tzinfo=UTC).astimezone(ZoneInfo(scope.zone)).replace(tzinfo=None)
        until = (clock - _WEEK).replace(tzinfo=ZoneInfo(scope.zone)).astimezone(UTC).replace(tzinfo=None)
        before = replace(scope, since=midnight(day - _WEEK, scope.zone), until=until)
        hourly = Breakdown("hour", scope.zone)
        return cls(today, before, measure(store, today, hourly), measure(store, before, hourly))

    def counts(self) -> pl.DataFrame:
        """One row of `count_rows`, without its key."""
        return count_rows(self.own.in_total(), self.previous.in_total(), all_keys=True).drop("key")

    def money(self) -> pl.DataFrame:
        """The rows of `money_rows`, one for each currency, without their key."""
        return money_rows(self.own.in_total(), self.previous.in_total(), all_keys=True).drop("key")

    def hours(self) -> pl.DataFrame:
        """The counts of both days by hour.

        Returns:
            hour (i64, hours since midnight), `COUNTS`, and these with the suffix `_previous`.
        """
        return self._beside(lambda measures: measures.counts.select("key", *COUNTS), [])

    def money_by_hour(self) -> pl.DataFrame:
        """The money of both days by hour.

        Returns:
            currency, hour (i64, hours since midnight), spend (Decimal(38, 15)), revenue (Decimal(38, 12)), and these
            with the suffix `_previous`, ordered by currency and hour.
        """
        return self._beside(_money, ["currency"]).sort("currency", "hour")

    def _beside(self, amounts: Callable[[Measures], pl.DataFrame], keys: list[str]) -> pl.DataFrame:
        """Amounts of both days for every hour of either, and for every value of the keys; 0 where there is nothing."""
        own, previous = (
            _by_hour(amounts(measures), scope, keys)
            for measures, scope in ((self.own, self.scope), (self.previous, self.before))
        )
        both = pl.concat([own, previous]).select(keys).unique() if keys else pl.DataFrame({"_": [0]})
        last = max(_hours(self.scope), _hours(self.before))
        rows = both.join(pl.DataFrame({"hour": pl.int_range(last, dtype=pl.Int64, eager=True)}), how="cross")
        for part, suffix in ((own, ""), (previous, "_previous")):
            named = part.rename({name: f"{name}{suffix}" for name in part.columns if name not in ("hour", *keys)})
            rows = rows.join(named, on=["hour", *keys], how="left", nulls_equal=True)
        amounts_of = pl.exclude("hour", *keys)
        return rows.select(*keys, "hour", pl.exclude("_", "hour", *keys)).with_columns(amounts_of.fill_null(0))


def _money(measures: Measures) -> pl.DataFrame:
    spend = measures.spend.select("key", "currency", decimals(measures.spend["charge"], COST).alias("spend"))
    revenue = measures.revenue.select("key", "currency", revenue=pl.col("gross") - pl.col("refunds"))
    return pl.concat([spend, revenue], how="diagonal").with_columns(pl.col("spend", "revenue").fill_null(0))


def _by_hour(rows: pl.DataFrame, scope: Scope, keys: list[str]) -> pl.DataFrame:
    hour = (pl.col("key") - pl.lit(scope.since)).dt.total_hours()
    return rows.group_by(*keys, hour=hour).agg(pl.exclude("key", *keys).sum())


def _hours(scope: Scope) -> int:
    """The number of hours of a scope, the last one begun."""
    assert scope.since is not None
    assert scope.until is not None
    return -(-(scope.until - scope.since) // _HOUR)
