"""The overview: whether the numbers can be trusted, what is at risk, and today beside a week before.

lag        messages of the log that are not processed yet
delay      from an event to its append to the log: what 95 % of the events of the hour before `at` do not exceed
rejected   messages of the hour before the last commit that were rejected; filtered and conflicts likewise
at_risk    flights that are not on pace, by what is at stake, see `pacing`
today      the day of the last event until then; the numbers are those of `performance`
previous   the same hours of the same day of the week before, in the clock time of the zone
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.cost import last_event
from advertisex.analysis.flights import flights_of
from advertisex.analysis.impression_match import ANSWER_WINDOW
from advertisex.analysis.overview.today import Today
from advertisex.analysis.pacing.rows import pacing_rows
from advertisex.analysis.performance.measures import COUNTS
from advertisex.analysis.quality.delays import delay
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.stores.contract import EventStore, RejectQuery

DEFINITION = "overview/1"

_FEEDS = ("impressions", "clicks", "bids")
_HOUR = timedelta(hours=1)
#: The quantile of the ingestion delay, in per cent.
_DELAYED = 95
#: Statuses of flights that cost nobody anything.
_FINE = ("on_pace", "not_started")


def overview(
    store: EventStore, scope: Scope = Scope(), *, alerts: pl.DataFrame, lag: int | None = None, balanced: bool = True
) -> Answer:
    """Say whether the numbers can be trusted, what is at risk, and how today compares with a week before.

    Args:
        store: the event store.
        scope: its `until` is the current time; without it, that is the time of the last event. `campaign` selects the
            events and the flights. It has neither `since` nor `where`.
        alerts: what is firing, a row each, with the column campaign.
        lag: messages of the log that are not processed yet; None if that is unknown.
        balanced: whether the ledger balances.

    Returns:
        Facts: at (datetime, the current time), balanced, last_commit, lag, delay_seconds, and rejected_last_hour,
        filtered_last_hour and conflicts_last_hour (i64). Table `at_risk`, a row for each flight: campaign_id, start,
        the measure for which most is at stake, its status, pace and difference, at_stake, currency, and alerts (i64,
        those of the campaign that fire). Tables `counts` and `money`: those of `performance` without a breakdown, of
        today, with the same hours a week before; tables `hours` and `money_by_hour`: both by hour. Table `alerts`.

    Raises:
        ConfigurationError: the scope is invalid.
        AnalysisError: no events are stored, or a sum of money may overflow.
    """
    _check_whole(scope)
    scope = check_scope(scope, store, ["impressions", "clicks"])
    try:
        at = last_event(store, scope.as_of) if scope.until is None else scope.until - timedelta.resolution
        today = None if at is None else Today.of(store, scope, at)
    except OverflowError as error:
        raise ConfigurationError(
            "until (--until): the day, or that a week before, is outside of the calendar", hint="use another time"
        ) from error
    if at is None or today is None:
        raise AnalysisError("no events found", where=scope.text(), hint="process events first")
    at_risk = _at_risk(store, scope, at, alerts)
    _check_known(scope, today, flights_of(store, scope).rows)
    return Answer(
        question="overview",
        definition=DEFINITION,
        scope=today.scope,
        horizons=horizons(store, scope, _FEEDS),
        computed_from=today.own.rows,
        parameters={"previous": [today.before.since, today.before.until]},
        facts={
            "at": at,
            "balanced": balanced,
            "last_commit": scope.as_of,
            "lag": lag,
            "delay_seconds": delay(store, _hour_until(scope, at), _DELAYED),
            **_last_hour(store, scope),
        },
        tables=_tables(today, at_risk, alerts),
        charts=_charts(today),
        notes=today.own.notes,
        lookback=timedelta(days=7) + ANSWER_WINDOW,
    )


def _check_whole(scope: Scope) -> None:
    if scope.since is not None:
        raise ConfigurationError(
            "since (--since): the overview is about one day", hint="leave it out; `until` (--until) is the current time"
        )
    if scope.where:
        raise ConfigurationError(
            "where (--where): the overview is about whole campaigns", hint="leave it out, or use --campaign"
        )


def _check_known(scope: Scope, today: Today, flights: pl.DataFrame) -> None:
    """Check that a campaign exists: one that is misspelled would look as if it were without risk.

    Raises:
        AnalysisError: it has neither events on the two days nor a flight.
    """
    has_events = any(any(measures.rows.values()) for measures in (today.own, today.previous))
    if scope.campaign is not None and not has_events and scope.campaign not in flights["campaign_id"]:
        raise AnalysisError(
            "no events of today and no flights found", where=scope.text(), hint="check the name of the campaign"
        )


def _hour_until(scope: Scope, at: datetime) -> Scope:
    """The hour that ends with a time."""
    since = max(at, datetime.min + _HOUR) - _HOUR  # noqa: DTZ901 - naive UTC
    return replace(scope, since=since, until=at + timedelta.resolution)


def _last_hour(store: EventStore, scope: Scope) -> Mapping[str, Any]:
    """How many messages of the last hour were left out, by what became of them."""
    since = None if scope.as_of is None else max(scope.as_of, datetime.min + _HOUR) - _HOUR  # noqa: DTZ901 - naive UTC
    counts = store.reject_counts(RejectQuery(since=since, as_of=scope.as_of))
    by_kind = dict(counts.group_by("kind").agg(pl.col("count").sum()).iter_rows())
    return {
        name: by_kind.get(kind, 0)
        for name, kind in (
            ("rejected_last_hour", "rejected"), ("filtered_last_hour", "filtered"), ("conflicts_last_hour", "conflict")
        )
    }  # fmt: skip


def _at_risk(store: EventStore, scope: Scope, at: datetime, alerts: pl.DataFrame) -> pl.DataFrame:
    """The flights that are not on pace, with the number of alerts that fire for their campaigns."""
    flights = flights_of(store, scope).rows
    if scope.campaign is not None:
        flights = flights.filter(pl.col("campaign_id") == scope.campaign)
    rows, _ = pacing_rows(store, scope, flights, at, "linear")
    firing = alerts.drop_nulls("campaign").group_by(campaign_id="campaign").agg(alerts=pl.len().cast(pl.Int64))
    return (
        rows.filter(~pl.col("status").is_in(_FINE))
        .unique(["campaign_id", "start"], keep="first", maintain_order=True)  # most is at stake in the first one
        .join(firing, on="campaign_id", how="left", maintain_order="left")
        .select(
            "campaign_id", "start", "measure", "status", "pace", "difference", "at_stake", "currency",
            pl.col("alerts").fill_null(0),
        )
    )  # fmt: skip


def _tables(today: Today, at_risk: pl.DataFrame, alerts: pl.DataFrame) -> list[Table]:
    return [
        Table(
            "at_risk",
            "At risk",
            at_risk,
            keys=("campaign_id", "start"),
            codes=("status",),
            quantities=("difference",),
        ),
        Table("counts", "Today", today.counts()),
        Table("money", "Spend and revenue of today", today.money(), ("currency",)),
        Table("hours", "Today by hour", today.hours(), ("hour",)),
        Table("money_by_hour", "Spend and revenue by hour", today.money_by_hour(), ("currency", "hour")),
        Table("alerts", "Firing alerts", alerts, ("rule", "feed", "campaign"), codes=("rule",), prose=("hint",)),
    ]


def _charts(today: Today) -> list[Chart]:
    title = "Today, and the same day of the week before"
    counts = [Chart("hours", "line", "hour", (name, f"{name}_previous"), title, choice=name) for name in COUNTS]
    money = [
        Chart(
            "money_by_hour",
            "line",
            "hour",
            (name, f"{name}_previous"),
            f"{name.capitalize()} of today, and of the same day of the week before",
            choice=currency or "unknown currency",
            only=("currency", currency),
        )
        for name in ("spend", "revenue")
        for currency in today.money()["currency"]
    ]
    return counts + money
