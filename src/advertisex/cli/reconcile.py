"""`advertisex reconcile`: a partner's report against our numbers."""

import inspect
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from advertisex.analysis.answer import Answer
from advertisex.analysis.arguments import MOST_LISTED
from advertisex.analysis.listing import LISTED
from advertisex.analysis.reconciliation.partner_report import PartnerReport, read_report
from advertisex.analysis.reconciliation.reconcile import reconcile as ask_reconcile
from advertisex.analysis.scope import Scope
from advertisex.cli.analyze.asking import asked_of, common_options, print_asked
from advertisex.cli.analyze.showing import print_answer
from advertisex.cli.options import opened_log, settings_of
from advertisex.cli.output import err
from advertisex.cli.source_options import given_options, source_options
from advertisex.errors import ConfigurationError, LogMissing
from advertisex.ingestion.configured import reading_options
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.processing.configured import processing_of
from advertisex.questions.asking import Question
from advertisex.questions.time_text import parse_time
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore


@dataclass(frozen=True, slots=True)
class _Own:
    """Values of the command's own argument and options; typer derives them from the fields."""

    report: Annotated[
        str, typer.Argument(metavar="REPORT", help="The partner's report: a file, a URL, or - for stdin.")
    ]
    partner: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read it as the settings say for this partner.")
    ] = None
    tolerance: Annotated[
        str, typer.Option(metavar="PART", help="Largest gap that is within the tolerance, of our number: 0.1 or 10%.")
    ] = "10%"
    partner_zone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Time zone of the partner's days.  \\[default: found by trying all]"),
    ] = None
    report_time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the report was made (UTC): what came later is late.  \\[default: when the file was modified]",
        ),
    ] = None
    limit: Annotated[
        int, typer.Option(metavar="N", min=0, max=MOST_LISTED, help="Maximum number of events listed per cause.")
    ] = LISTED


_GROUPS: tuple[Callable[..., Any], ...] = (_Own, source_options)


def reconcile(**given: Any) -> None:
    """Compare a partner's report with our numbers by campaign and day, and explain the gaps."""
    own, options = (
        group(**{name: given.pop(name) for name in inspect.signature(group).parameters}) for group in _GROUPS
    )
    settings = settings_of(given["config"], data=given["data"], log=given["log"], store=given["store"])
    with ExitStack() as stack:
        print_asked(asked_of(_question(settings, own, options, stack), given, print_answer), settings)
    if own.partner is None and given_options(options):
        err.print(_to_keep(options, own.partner_zone), markup=False, style="dim", soft_wrap=True)


# typer reads the options from the signature
reconcile.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for group in _GROUPS
        for one in inspect.signature(group, eval_str=True).parameters.values()
    ]
    + common_options()
)


def _question(settings: Settings, own: _Own, options: IngestOptions, stack: ExitStack) -> Question:
    """The question, with the report read; the stack closes the log."""
    zone, options = _of_partner(settings, own, options)
    tolerance, report_time = _tolerance(own.tolerance), parse_time(own.report_time, "--report-time")
    report = _read(settings, own, options)
    _say_columns(report)
    processing = processing_of(settings)
    try:
        log = stack.enter_context(opened_log(settings, create=False))
    except LogMissing:
        log = None  # the answer says that duplicates were not looked up

    def question(store: EventStore, scope: Scope) -> Answer:
        return ask_reconcile(
            store, report, scope, tolerance=tolerance, partner_zone=zone, report_time=report_time, log=log,
            processing=processing, limit=own.limit,
        )  # fmt: skip

    return question


def _read(settings: Settings, own: _Own, options: IngestOptions) -> PartnerReport:
    """Read the report; an error in how the settings map its columns says where they do."""
    try:
        return read_report(own.report, options)
    except ConfigurationError as error:
        if own.partner is None or error.where != "--map":
            raise
        number = [partner.name for partner in settings.partners].index(own.partner)
        raise ConfigurationError(error.what, hint=error.hint, setting=("partners", number, "map")) from error


def _of_partner(settings: Settings, own: _Own, options: IngestOptions) -> tuple[str | None, IngestOptions]:
    """The time zone, and how the report is read: as the settings of the partner say, or as the options do."""
    if own.partner is None:
        return own.partner_zone, options
    if given := given_options(options):
        raise ConfigurationError(
            f"{given[0]} cannot be combined with --partner", hint="set it in the settings of the partner"
        )
    partners = {partner.name: partner for partner in settings.partners}
    if own.partner not in partners:
        known = f"use one of {', '.join(partners)}" if partners else "add it as [[partners]], see docs/settings.md"
        raise ConfigurationError(f"no partner is named {own.partner!r} in the settings", where="--partner", hint=known)
    partner = partners[own.partner]
    return own.partner_zone or partner.zone, replace(reading_options(partner), name="")


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


def _say_columns(report: PartnerReport) -> None:
    """Say on stderr what the columns of the report were taken for."""
    taken = [f"{column} = {name}" for column, name in report.columns.items() if name]
    unused = [column for column, name in report.columns.items() if not name]
    found = ", ".join(f"{name} {value}" for name, value in report.found.items() if value)
    text = f"{report.name} ({found}): {', '.join(taken)}" + (f"; not used: {', '.join(unused)}" if unused else "")
    err.print(text, markup=False, style="dim", soft_wrap=True)


def _to_keep(options: IngestOptions, zone: str | None) -> str:
    """The options as settings, which --partner NAME reads."""
    dialect, mapping = options.dialect, options.mapping
    values = {
        "zone": zone, "format": options.format, "records": options.records, "columns": list(options.columns),
        "inherit": options.inherit, **{name: getattr(dialect, name) for name in dialect.__slots__},
        "map": mapping.rename, "set": mapping.constants, "time_formats": list(mapping.time_formats),
    }  # fmt: skip
    lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value]
    return "\n".join(
        ["To read the next report in the same way with --partner NAME, keep this in the settings:", "", "[[partners]]",
         'name = "NAME"', *lines]
    )  # fmt: skip


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(name)} = {_toml(inner)}" for name, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)  # TOML writes these values like JSON
