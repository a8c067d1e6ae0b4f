"""Pacing: what flights have delivered beside what is expected of them by now, and how they will probably end.

    expected    booked × weight from the start until now / weight of the flight; see `curve` for the weights
    pace        delivered / expected
    projected   delivered + daily rate × what remains, with a 95 % prediction interval, see `projection`
    difference  projected − booked: below 0 a shortfall, above 0 more than is booked
    at_stake    what the difference is worth: of spend, itself; of a count, it × the rate that pays for it (CPM / 1000,
                CPC, CPA), or else the same part of the budget, or of a fixed fee without a budget

Money is in the currency of the flight; what was spent in other currencies does not count.
"""

from collections import Counter
from datetime import datetime, timedelta

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import one_of
from advertisex.analysis.cost import COST, last_event
from advertisex.analysis.flights import flights_of
from advertisex.analysis.intervals import CONFIDENCE
from advertisex.analysis.money import decimals
from advertisex.analysis.pacing.curve import CURVES, WEEKS, CurveName
from advertisex.analysis.pacing.deliveries import Deliveries
from advertisex.analysis.pacing.projection import DAYS, TOLERANCE
from advertisex.analysis.pacing.rows import MEASURES, pacing_rows
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.stores.contract import EventStore

DEFINITION = "pacing/1"

_FEEDS = ("impressions", "clicks", "bids")
_QUANTITIES = ("booked", "delivered", "expected", "projected", "projected_low", "projected_high", "difference")
#: A feed that ends so long before the current time makes flights look late.
_BEHIND = timedelta(days=1)


def pacing(store: EventStore, scope: Scope = Scope(), *, curve: CurveName = "linear") -> Answer:
    """Say how the flights of the catalogue deliver what is booked for them.

    Args:
        store: the event store.
        scope: its `until` is the current time; without it, that is the time of the last event. `campaign` selects the
            flights. It has neither `since` nor `where`.
        curve: how what is booked is expected to be spread over a flight: `linear`, or `weekday` for what the campaign
            delivered on each day of the week in the complete weeks before.

    Returns:
        Facts: at (datetime, the current time), flights (their number) and rows_by_status. Table `rows`: a row for each
        flight and measure, see `rows.ROWS`. Table `running`: for each campaign with a flight under way, the pace of
        each measure (f64), and the largest amount at stake. Table `other_spend`: what was spent in other currencies.

    Raises:
        ConfigurationError: the scope or the curve is invalid.
        AnalysisError: nothing is booked for any flight, without `until` the store has no event, or a sum may overflow.
    """
    scope = check_scope(scope, store, ["impressions", "clicks"])
    _check_whole(scope)
    curve = one_of(curve, CURVES, "curve (--curve)")
    flights = flights_of(store, scope).rows
    if scope.campaign is not None:
        flights = flights.filter(pl.col("campaign_id") == scope.campaign)
    if flights.select("budget", *MEASURES[:3]).count().sum_horizontal().item() == 0:
        raise AnalysisError(
            "no flights found for which something is booked",
            where=scope.text(),
            hint="import a file of campaigns: `advertisex catalogue import FILE`",
        )
    at = scope.until or last_event(store, scope.as_of)
    if at is None:
        raise AnalysisError("no events found", where=scope.text(), hint="process events first")
    rows, found = pacing_rows(store, scope, flights, at, curve)
    known = horizons(store, scope, _FEEDS)
    return Answer(
        question="pacing",
        definition=DEFINITION,
        scope=scope,
        horizons=known,
        computed_from=found.rows,
        parameters={
            "curve": curve,
            "weeks": WEEKS if curve == "weekday" else None,
            "days": DAYS,
            "tolerance": float(TOLERANCE),
            "confidence": CONFIDENCE,
        },
        facts={"at": at, "flights": flights.height, "rows_by_status": dict(sorted(Counter(rows["status"]).items()))},
        tables=_tables(rows, found, at),
        charts=_charts(rows, at),
        notes=_notes(rows, found, known, at),
    )


def _check_whole(scope: Scope) -> None:
    """Check that the scope does not cut flights.

    Raises:
        ConfigurationError: it does.
    """
    if scope.since is not None:
        raise ConfigurationError(
            "since (--since): pacing looks at whole flights", hint="leave it out; `until` (--until) is the current time"
        )
    if scope.where:
        raise ConfigurationError(
            "where (--where): pacing looks at all that a flight delivers", hint="leave it out, or use --campaign"
        )


def _tables(rows: pl.DataFrame, found: Deliveries, at: datetime) -> list[Table]:
    other = found.other_spend.with_columns(decimals(found.other_spend["spend"], COST))
    return [
        Table(
            "rows",
            "Flights, by what is booked",
            rows,
            keys=("campaign_id", "start", "measure"),
            codes=("status",),
            quantities=_QUANTITIES,
        ),
        Table("running", "Pace of the flights under way", _running(rows, at), keys=("campaign_id",)),
        Table("other_spend", "Spend in other currencies than the flight's", other),
    ]


def _is_running(at: datetime) -> pl.Expr:
    return (pl.col("start") < at) & (pl.col("end") > at)


def _running(rows: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The flights under way, at most one of each campaign: the largest amount at stake first, by currency."""
    return (
        rows.filter(_is_running(at))
        .group_by("campaign_id", "start", "end", "currency", maintain_order=True)
        .agg(
            *(pl.col("pace").filter(pl.col("measure") == name).first().alias(f"{name}_pace") for name in MEASURES),
            pl.col("at_stake").max(),
        )
        .select("campaign_id", "start", "end", *(f"{name}_pace" for name in MEASURES), "at_stake", "currency")
    )


def _charts(rows: pl.DataFrame, at: datetime) -> list[Chart]:
    under_way = rows.filter(_is_running(at))
    booked = [f"{name}_pace" for name in MEASURES if name in under_way["measure"]]
    if not booked:
        return []
    currencies = under_way.drop_nulls("at_stake")["currency"].unique().sort()
    return [
        Chart("running", "bar", "campaign_id", tuple(booked), "Pace by campaign"),
        *(
            Chart(
                "running", "bar", "campaign_id", ("at_stake",), "At stake", choice=currency, only=("currency", currency)
            )
            for currency in currencies
        ),
    ]


def _notes(rows: pl.DataFrame, found: Deliveries, known: dict[str, datetime | None], at: datetime) -> list[str]:
    notes = []
    for feed, measures in {"impressions": ["impressions"], "clicks": ["clicks", "conversions"]}.items():
        last = known[feed]
        if last is not None and at - last > _BEHIND and rows.filter(_is_running(at))["measure"].is_in(measures).any():
            notes.append(
                f"The last of the {feed} is of {last:%Y-%m-%d %H:%M} UTC: if more are to come, flights look late."
            )
    if not found.other_spend.is_empty():
        notes.append("What was spent in another currency than that of the flight does not count towards its budget.")
    if found.without_cost:
        notes.append(f"{found.without_cost:,} impressions in flights with a budget have no known cost.")
    return notes
