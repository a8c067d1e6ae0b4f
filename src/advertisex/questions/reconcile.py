"""The question about a partner's report; the report comes with it, so it is not among the other questions."""

import json
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

from advertisex.analysis.arguments import MOST_LISTED
from advertisex.analysis.listing import LISTED
from advertisex.analysis.reconciliation.partner_report import MOST_REPORT_ROWS, PartnerReport, read_report
from advertisex.analysis.reconciliation.reconcile import reconcile
from advertisex.errors import ConfigurationError
from advertisex.ingestion.configured import reading_options
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.logs.contract import EventLog
from advertisex.processing.configured import processing_of
from advertisex.questions.asking import Question
from advertisex.questions.option import Option
from advertisex.questions.reading import given_options
from advertisex.questions.time_text import parse_time
from advertisex.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Terms:
    """Values of the question's own options."""

    partner: Annotated[str | None, Option(metavar="NAME", help="Read it as the settings say for this partner.")] = None
    tolerance: Annotated[
        str, Option(metavar="PART", help="Largest gap that is within the tolerance, of our number: 0.1 or 10%.")
    ] = "10%"
    partner_zone: Annotated[
        str | None, Option(metavar="NAME", help="Time zone of the partner's days.", default="found by trying all")
    ] = None
    report_time: Annotated[
        str | None,
        Option(
            metavar="TIME",
            help="When the report was made (UTC): what came later is late.",
            default="when the file was modified",
        ),
    ] = None
    limit: Annotated[
        int, Option(metavar="N", minimum=0, maximum=MOST_LISTED, help="Maximum number of events listed per cause.")
    ] = LISTED


def report_of(
    source: str | Path, terms: Terms, options: IngestOptions, settings: Settings, *, most_rows: int = MOST_REPORT_ROWS
) -> PartnerReport:
    """Read a partner's report of at most so many rows: as the settings of the partner say, or as the options do.

    Raises:
        ConfigurationError: an option is invalid, the partner is unknown, or there are options beside it.
        SourceError: the report cannot be read.
    """
    if terms.partner is None:
        return read_report(source, options, most_rows=most_rows)
    if given := given_options(options):
        raise ConfigurationError(
            f"{given[0]} cannot be combined with --partner", hint="set it in the settings of the partner"
        )
    number = _number_of(terms.partner, settings)
    try:
        return read_report(source, replace(reading_options(settings.partners[number]), name=""), most_rows=most_rows)
    except ConfigurationError as error:
        if error.where != "--map":
            raise
        raise ConfigurationError(error.what, hint=error.hint, setting=("partners", number, "map")) from error


def reconciliation(report: PartnerReport, terms: Terms, settings: Settings, log: EventLog | None) -> Question:
    """Bind the question to a report and its options.

    Args:
        report: the report.
        terms: the options.
        settings: the settings.
        log: where duplicates are looked up; without it, the answer says that they were not.

    Raises:
        ConfigurationError: an option is invalid.
    """
    zone = terms.partner_zone
    if zone is None and terms.partner is not None:
        zone = settings.partners[_number_of(terms.partner, settings)].zone
    options: dict[str, Any] = {
        "tolerance": _tolerance(terms.tolerance),
        "partner_zone": zone,
        "report_time": parse_time(terms.report_time, "--report-time"),
        "log": log,
        "processing": processing_of(settings),
        "limit": terms.limit,
    }
    return lambda store, scope: reconcile(store, report, scope, **options)


def columns_taken(report: PartnerReport) -> str:
    """Say what was found in a report, and what its columns were taken for."""
    taken = [f"{column} = {name}" for column, name in report.columns.items() if name]
    unused = [column for column, name in report.columns.items() if not name]
    found = ", ".join(f"{name} {value}" for name, value in report.found.items() if value)
    return f"{report.name} ({found}): {', '.join(taken)}" + (f"; not used: {', '.join(unused)}" if unused else "")


def settings_to_keep(terms: Terms, options: IngestOptions) -> str:
    """The options as the settings of a partner; empty if there is nothing to keep."""
    if terms.partner is not None or not given_options(options):
        return ""
    dialect, mapping = options.dialect, options.mapping
    values = {
        "zone": terms.partner_zone, "format": options.format, "records": options.records,
        "columns": list(options.columns), "inherit": options.inherit,
        **{name: getattr(dialect, name) for name in dialect.__slots__},
        "map": mapping.rename, "set": mapping.constants, "time_formats": list(mapping.time_formats),
    }  # fmt: skip
    lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value]
    return "\n".join(["[[partners]]", 'name = "NAME"', *lines])


def _number_of(name: str, settings: Settings) -> int:
    """The place of a partner in the settings."""
    names = [partner.name for partner in settings.partners]
    if name not in names:
        known = f"use one of {', '.join(names)}" if names else "add it as [[partners]], see docs/settings.md"
        raise ConfigurationError(f"no partner is named {name!r} in the settings", where="--partner", hint=known)
    return names.index(name)


def _tolerance(text: str) -> Decimal:
    """Read a tolerance such as 10% or 0.1."""
    number = text.strip().removesuffix("%")
    try:
        found = Decimal(number) / (100 if text.strip().endswith("%") else 1)
    except InvalidOperation:
        found = Decimal(-1)
    if not found.is_finite() or not 0 <= found <= 1:
        raise ConfigurationError(f"--tolerance: {text!r} is not valid", hint="write it as 10% or 0.1")
    return found


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(name)} = {_toml(inner)}" for name, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)  # TOML writes these values like JSON
