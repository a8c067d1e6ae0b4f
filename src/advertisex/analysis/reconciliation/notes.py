"""What a reader of a reconciliation must know beside its numbers, and which explanations fit equally."""

from collections.abc import Sequence

import polars as pl

from advertisex.analysis.reconciliation.causes import Explanation
from advertisex.analysis.reconciliation.explain import Explained
from advertisex.analysis.reconciliation.left_out import LeftOut
from advertisex.analysis.reconciliation.partner_report import PartnerReport, left_out_text
from advertisex.analysis.reconciliation.parts import Side
from advertisex.analysis.reconciliation.report_days import ReportDays
from advertisex.logs.contract import EventLog

#: Alternatives that are named; the number of others is.
_NAMED = 20


def explanation_rows(side: Side, explained: Explained) -> pl.DataFrame:
    """The explanations that fit equally: measure, currency, explanation (from 1; the first was used), causes."""
    zones = [zone.name for zone in explained.zones] if explained.is_moved else []
    rows: list[tuple[str, str | None, int, str]] = []
    rows += [("day", None, number, f"time_zone {name}") for number, name in enumerate(zones[:_NAMED], 1)]
    for pair, found in explained.explanations.items():
        both = side.pairs[pair].is_ours and side.pairs[pair].is_theirs
        for number, one in enumerate(found[:_NAMED] if both else (), 1):
            text = _text(one, side, pair) or "none"
            rows.append((side.pairs[pair].measure, side.pairs[pair].theirs, number, text))
    schema = {"measure": pl.String, "partner_currency": pl.String, "explanation": pl.Int64, "causes": pl.String}
    return pl.DataFrame(rows, schema, orient="row")


def _text(explanation: Explanation, side: Side, pair: int) -> str:
    cause = side.pairs[pair].factor_cause
    factor = "an unexplained factor" if cause == "unexplained" else cause
    return " + ".join(explanation.names(factor))


def notes_of(
    report: PartnerReport, days: ReportDays, side: Side, explained: Explained, found: LeftOut, log: EventLog | None
) -> list[str]:
    """The notes of a reconciliation, one sentence each."""
    notes = [f"{text[:1].upper()}{text[1:]}." for text in left_out_text(report)]
    if days.outside:
        notes.append(f"Rows of the report (one for each campaign and day) outside of the range: {days.outside:,}.")
    if explained.is_moved:
        names = [zone.name for zone in explained.zones]
        notes.append(
            f"The partner's days fit {_some(names, ' or ')} better than {side.zone}. Name the zone with "
            "--partner-zone, and its days are compared."
        )
    equal = {
        side.pairs[pair].measure: [_text(one, side, pair) for one in found]
        for pair, found in explained.explanations.items()
        if len(found) > 1
    }
    notes += [
        f"Several explanations fit {measure} equally: {_some(texts, ' or ')}." for measure, texts in equal.items()
    ]
    if not set(side.theirs["campaign_id"]) & set(side.sums["campaign_id"].drop_nulls()):
        notes.append(
            "No campaign of the report is known here: check that its column has our campaign ids, or name another one "
            "with --map COLUMN=campaign_id."
        )
    for feed, number in sorted(found.unknown.items()):
        why = "are no longer in the log" if log else "were not looked up in the log"
        notes.append(
            f"{number:,} duplicates of {feed}, at any time, {why}: up to that many unexplained events may be those."
        )
    for feed, number in sorted(found.unreadable.items()):
        if number:
            notes.append(
                f"{number:,} rejected messages of {feed}, at any time, have no readable campaign or time, and explain "
                "nothing here."
            )
    for name, causes in explained.not_tried.items():
        if causes:
            notes.append(f"Not tried for {name}, because others are larger: {_some(causes)}.")
    return notes


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = f"{separator}{len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return separator.join(names[:_NAMED]) + more
