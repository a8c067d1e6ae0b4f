"""The rules about flights of the catalogue: are they late, will they overspend, is their budget exhausted?

They evaluate the current state of each flight under way, see `analysis.pacing`, and not buckets of events. What a
flight is expected to deliver follows its campaign's own week, where that is known.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl
import structlog

from advertisex.analysis.pacing.rows import ROWS, pacing_rows
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.monitoring.grid import FLIGHT_METRICS
from advertisex.monitoring.rules import ALL_FEEDS, EACH_CAMPAIGN, AlertRule, Evaluation, Key
from advertisex.stores.contract import EventStore, Range

_LOG = structlog.get_logger(__name__)

#: The store is read again after this time at the earliest, and only if something was committed.
_EVERY = timedelta(minutes=5)
#: Paces and projections of younger flights depend on the time of day.
_FIRST_DAY = timedelta(days=1)
#: A count is only late by more than so many standard deviations of independent events.
_DEVIATIONS = 3.0

Row = dict[str, Any]


class FlightWatch:
    """Evaluates the rules about flights.

    Args:
        store: the store to read.
        rules: all rules; without any about flights, the store is never read.
        zone: time zone of days and weeks.
    """

    def __init__(self, store: EventStore, rules: Iterable[AlertRule], zone: str) -> None:
        self._store, self._zone = store, zone
        self._rules = [rule for rule in rules if rule.metric in FLIGHT_METRICS]
        self._read: _Read | None = None

    def evaluations(self, until: datetime, bucket: timedelta, now: datetime) -> list[Evaluation]:
        """Evaluate the flights that are under way.

        Args:
            until: end of the last complete bucket.
            bucket: length of a bucket.
            now: current time, naive UTC.

        Returns:
            One result for each rule and flight that can be evaluated, for the last complete bucket.

        Raises:
            StoreError: the store cannot be read.
        """
        if not self._rules:
            return []
        settled = self._store.settled()
        is_known = self._read is not None and (
            settled == self._read.settled or timedelta(0) <= now - self._read.at < _EVERY
        )
        if self._read is None or not is_known:
            self._read = _Read(now, settled, *self._rows(until))
        under_way = self._read.rows.filter(pl.col("end") > until)
        return list(evaluate_flights(self._rules, under_way.to_dicts(), self._read.known, until - bucket))

    def _rows(self, until: datetime) -> tuple[pl.DataFrame, datetime]:
        """The rows of the flights under way, and the time up to which they are known."""
        empty = pl.DataFrame(schema=ROWS)
        flights = self._store.campaigns()
        if flights.filter(pl.col("start") < until, pl.col("end") > until).is_empty():
            return empty, until
        times = (self._store.last_time(feed, Range(until=until)) for feed in FEEDS)
        last = max((time for time in times if time is not None), default=None)
        if last is None:
            return empty, until
        known = min(until, last + timedelta.resolution)
        is_under_way = (pl.col("start") < known) & (pl.col("end") > known)
        campaigns = flights.filter(is_under_way)["campaign_id"].unique()
        own = flights.filter(pl.col("campaign_id").is_in(campaigns.implode()), pl.col("start") < known)
        try:
            rows, _ = pacing_rows(self._store, Scope(until=known, zone=self._zone), own, known, "weekday")
        except AnalysisError as error:  # a sum may overflow; the other rules go on
            _LOG.warning("cannot evaluate flights", error=str(error))
            return empty, known
        return rows.filter(is_under_way), known


class _Read(NamedTuple):
    """What was read of the store.

    Attributes:
        at: when.
        settled: its last commit then.
        rows: `ROWS` of the flights under way.
        known: the time up to which they are known.
    """

    at: datetime
    settled: datetime | None
    rows: pl.DataFrame
    known: datetime


def evaluate_flights(
    rules: Iterable[AlertRule], rows: Sequence[Row], known: datetime, bucket: datetime
) -> Iterator[Evaluation]:
    """Apply rules to the rows of flights under way.

    Args:
        rules: rules about flights.
        rows: `ROWS`, of at most one flight for each campaign.
        known: the time up to which the rows are known.
        bucket: start of the bucket of the results.
    """
    by_campaign: dict[str, list[Row]] = {}
    for row in rows:
        by_campaign.setdefault(row["campaign_id"], []).append(row)
    for rule in rules:
        for campaign, own in by_campaign.items():
            if rule.campaign in (EACH_CAMPAIGN, campaign):
                found = [_evaluation(rule, row, known, bucket) for row in own]
                of_measures = [evaluation for evaluation in found if evaluation is not None]
                if of_measures:
                    yield max(of_measures, key=_excess)  # the worst measure


def _excess(evaluation: Evaluation) -> float:
    """How far a value is beyond its bounds; negative within them."""
    low, high = evaluation.low, evaluation.high
    return max(
        -math.inf if low is None else low - evaluation.value, -math.inf if high is None else evaluation.value - high
    )


def _evaluation(rule: AlertRule, row: Row, known: datetime, bucket: datetime) -> Evaluation | None:
    """Apply a rule to one measure of a flight; None if it does not say anything about it."""
    value = _value(rule, row, known)
    if value is None:
        return None
    low, high = rule.below, rule.above
    if rule.metric == "pace" and row["measure"] != "spend":  # counts vary by chance
        chance = _DEVIATIONS / math.sqrt(row["expected"])
        low, high = None if low is None else min(low, 1 - chance), None if high is None else max(high, 1 + chance)
    bad = (low is not None and value < low) or (high is not None and value > high)
    if rule.metric == "budget_spent":
        bad = bad or value == high  # all of it is spent
    return Evaluation(Key(rule.name, ALL_FEEDS, row["campaign_id"]), bucket, bad, value, None, low, high)


def _value(rule: AlertRule, row: Row, known: datetime) -> float | None:
    """The value of a metric."""
    is_young = known - row["start"] < _FIRST_DAY
    if rule.metric == "pace":
        pace: float | None = row["pace"]
        return None if is_young else pace
    if row["measure"] != "spend" or not row["booked"]:
        return None
    if rule.metric == "budget_spent":
        return float(row["delivered"] / row["booked"])
    return None if is_young or row["projected"] is None else row["projected"] / float(row["booked"])
