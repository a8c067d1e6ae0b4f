"""Reconciliation: our numbers against those of a partner's report by campaign and day, and why they differ.

    gap     theirs − ours
    share   gap / ours
    within  |gap| ≤ tolerance · ours. The tolerance is 10 % by default, as IAB UK recommends it ("Preventing discrepancy
            checklist": 10 % for discrepancy, based on the publisher's figures), with our numbers as the base

Each gap is divided into parts, which add up to it: see `causes` for the causes and `fit` for their choice.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import check_limit, check_time, check_zone
from advertisex.analysis.calendar import midnight
from advertisex.analysis.cost import fees
from advertisex.analysis.impression_match import ANSWER_WINDOW
from advertisex.analysis.listing import LISTED
from advertisex.analysis.reconciliation.comparison import cells_of, paired_report, paired_sums, pairs_of
from advertisex.analysis.reconciliation.events import events_of
from advertisex.analysis.reconciliation.explain import Explained, explain
from advertisex.analysis.reconciliation.left_out import left_out_of
from advertisex.analysis.reconciliation.notes import explanation_rows, notes_of
from advertisex.analysis.reconciliation.our_rows import OurRows, sums_of, suspected_in
from advertisex.analysis.reconciliation.partner_report import PartnerReport
from advertisex.analysis.reconciliation.parts import Side
from advertisex.analysis.reconciliation.report_days import ReportDays, days_of, midnight_after
from advertisex.analysis.reconciliation.tables import campaign_rows, cause_rows, compared, gap_rows, with_structure
from advertisex.analysis.reconciliation.zones import dates, zone_days
from advertisex.analysis.scan import scan_frames
from advertisex.analysis.scope import Scope, check_scope
from advertisex.errors import ConfigurationError
from advertisex.logs.contract import EventLog
from advertisex.processing.runner import Processing
from advertisex.stores.contract import EventStore

DEFINITION = "reconcile/1"

#: The default tolerance.
TOLERANCE = Decimal("0.1")

#: What the clocks of the world are at most behind UTC, and before it.
_WEST, _EAST = timedelta(hours=12), timedelta(hours=14)
_FEEDS = ("impressions", "clicks", "bids")


def reconcile(
    store: EventStore,
    report: PartnerReport,
    scope: Scope = Scope(),
    *,
    tolerance: Decimal | float | str = TOLERANCE,
    partner_zone: str | None = None,
    report_time: datetime | None = None,
    log: EventLog | None = None,
    processing: Processing = Processing(),
    limit: int = LISTED,
) -> Answer:
    """Compare our numbers with a partner's, and explain the gaps.

    Args:
        store: the event store.
        report: the partner's report, see `read_report`.
        scope: selects whole days and a campaign, of both sides; by default the days of the report. Its time zone is
            that of our days.
        tolerance: the largest |gap| / ours that is within the tolerance, from 0 to 1.
        partner_zone: the time zone of the partner's days, which are then compared as such; None tries all zones.
        report_time: when the partner made the report; None takes the time when its file was last modified.
        log: the event log, to look up the duplicates; without it, they cannot explain gaps.
        processing: how the messages were processed.
        limit: maximum number of events listed for each cause.

    Returns:
        Tables `gaps` and `money_gaps` (see `gap_rows`), `causes` and `money_causes` (see `cause_rows`), `campaigns` and
        `money` (see `campaign_rows`), `explanations` and `events` (see `events_of`). Facts: ours, theirs, gap, share,
        within and unexplained (the volume) of each count.

    Raises:
        ConfigurationError: an argument or the scope is invalid.
        AnalysisError: nothing of the report is in the scope, or a sum of money may overflow.
        LogError: the log cannot be read.
    """
    scope = check_scope(scope, store, ["impressions", "clicks"])
    if scope.where:
        raise ConfigurationError("where (--where): a partner's report has no such fields", hint="leave it out")
    limit, allowed = check_limit(limit), _tolerance(tolerance)
    if partner_zone is not None:
        scope = replace(scope, zone=check_zone(partner_zone, "partner_zone (--partner-zone)"))
    made = report.modified if report_time is None else check_time(report_time, "report_time (--report-time)")
    days = days_of(report, scope)
    scope = replace(scope, since=midnight(days.first, scope.zone), until=midnight_after(days.last, scope.zone))
    found = left_out_of(store, _wide(scope, days), made, log, processing)
    rows = OurRows(
        store, _wide(scope, days), "cost" in report.measures, made, suspected_in(store, _wide(scope, days)),
        found.repeated, found.others,
    )  # fmt: skip
    sums = sums_of(rows)
    if rows.with_cost:
        sums = pl.concat([sums, _fees(store, rows.scope, scope.zone)])
    reported = replace(report, rows=days.rows)
    pairs = pairs_of(reported, sums)
    side = Side(
        pairs, paired_sums(sums, pairs), paired_report(reported, pairs), days.first, days.last, scope.zone,
        test_zones=partner_zone is None,
    )  # fmt: skip
    cells = cells_of(_on_days(side), side.theirs)
    explained = explain(side, cells)
    parts = with_structure(cells, explained)
    listed, events = events_of(rows, side, explained, limit)
    return Answer(
        question="reconcile",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, _FEEDS),
        computed_from={feed: _events(store, feed, scope) for feed in _FEEDS[:2]},
        parameters={
            "report": report.name,
            "tolerance": float(allowed),
            "partner_zone": partner_zone,
            "report_time": made,
            "report_time_from": None if made is None else "file" if report_time is None else "argument",
            "columns": {column: name for column, name in report.columns.items() if name},
            "duplicates_from": "log" if log else None,
        },
        facts=_facts(cells, parts, side, allowed),
        tables=_tables(cells, parts, side, explained, allowed, listed, events, limit),
        charts=[Chart("causes", "bar", "cause", ("volume",), "Volume of the gaps by cause", colour="measure")],
        notes=notes_of(report, days, side, explained, found, log),
        lookback=_EAST + ANSWER_WINDOW,
    )


def _events(store: EventStore, feed: str, scope: Scope) -> int:
    return sum(frame.height for frame in scan_frames(store, feed, scope, pl.col("event_time")))


def _tolerance(value: object) -> Fraction:
    try:
        found = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        found = Fraction(-1)
    if not 0 <= found <= 1:
        raise ConfigurationError(f"tolerance (--tolerance): {value!r} is not valid", hint="use 0.1 for 10 %")
    return found


def _wide(scope: Scope, days: ReportDays) -> Scope:
    """The range of the days in every time zone."""
    since = midnight(days.first, "UTC") - _EAST
    return replace(scope, since=since, until=midnight_after(days.last, "UTC") + _WEST)


def _fees(store: EventStore, wide: Scope, zone: str) -> pl.DataFrame:
    """The fees by day, as rows of `sums_of`: at noon, so that most time zones leave them on their day."""
    due = fees(store, replace(wide, zone=zone), "day")
    noon = pl.col("event_time").dt.truncate("15m") + timedelta(hours=12)
    return due.select(
        measure=pl.lit("cost"), currency="currency", campaign_id="campaign_id", slot=noon, left_out=pl.lit(""),
        late=pl.lit(value=False), suspect=pl.lit(0, pl.Int64), amount="charge", events=pl.lit(0, pl.Int64),
    )  # fmt: skip


def _on_days(side: Side) -> pl.DataFrame:
    """What we count on the days of our time zone."""
    slots = side.sums["slot"].unique().sort()
    days = pl.DataFrame({"slot": slots, "day": dates(zone_days(slots, side.zone))})
    own = side.sums.filter(pl.col("left_out") == "").join(days, on="slot")
    return own.filter(pl.col("day").is_between(side.first, side.last)).select("pair", "campaign_id", "day", "amount")


def _facts(cells: pl.DataFrame, parts: pl.DataFrame, side: Side, allowed: Fraction) -> dict[str, Any]:
    """The totals of each count."""
    facts: dict[str, Any] = {}
    totals = compared(cells.group_by("pair").agg(pl.col("ours", "theirs", "gap").sum()).sort("pair"), allowed)
    left = parts.filter(pl.col("cause") == "unexplained").group_by("pair", "campaign_id", "day")
    rest = dict(left.agg(pl.col("amount").sum()).group_by("pair").agg(pl.col("amount").abs().sum()).iter_rows())
    for row in totals.iter_rows(named=True):
        pair = side.pairs[row.pop("pair")]
        if pair.ours is None and pair.theirs is None and pair.measure not in ("cost", "revenue"):
            facts[pair.measure] = row | {"unexplained": rest.get(side.pairs.index(pair), 0)}
    return facts


def _tables(
    cells: pl.DataFrame, parts: pl.DataFrame, side: Side, explained: Explained, allowed: Fraction,
    listed: pl.DataFrame, events: dict[tuple[str, str], int], limit: int,
) -> list[Table]:  # fmt: skip
    gaps, causes = gap_rows(cells, parts, side.pairs, allowed), cause_rows(parts, cells, side.pairs, events)
    sums = campaign_rows(cells, side.pairs, allowed)
    codes, cell = ("cause",), ("campaign_id", "day", "measure")
    tables = [
        Table("gaps", "Gaps by campaign and day", gaps["counts"], keys=cell),
        Table("causes", "Causes of the gaps", causes["counts"], keys=("cause", "detail", "measure"), codes=codes),
        Table("campaigns", "Campaigns", sums["counts"], keys=("campaign_id", "measure")),
    ]
    if any(pair.measure in ("cost", "revenue") for pair in side.pairs):
        keys = ("measure", "currency", "partner_currency")
        tables += [
            Table("money_gaps", "Gaps of money", gaps["money"], keys=("campaign_id", "day", *keys)),
            Table("money_causes", "Causes of the gaps of money", causes["money"], keys=("cause", "detail", *keys),
                  codes=codes),
            Table("money", "Money of campaigns", sums["money"], keys=("campaign_id", *keys)),
        ]  # fmt: skip
    tables += [
        Table("explanations", "Explanations", explanation_rows(side, explained), keys=("measure", "explanation")),
        Table("events", f"Events behind the causes, at most {limit} of each", listed, of=sum(events.values()),
              keys=("cause", "topic", "partition", "offset"), option="--limit N", codes=codes),
    ]  # fmt: skip
    return tables
