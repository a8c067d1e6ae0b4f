"""Turns a saved report into the command line of its question, and lets the parser of that question check it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import typer
from typer.main import get_group

from advertisex.analysis.arguments import check_zone
from advertisex.cli.analyze import SHOWN
from advertisex.cli.analyze.asking import Asked, parser
from advertisex.cli.reports.ranges import days_of, time_of
from advertisex.cli.usage import usage_error
from advertisex.errors import ConfigurationError
from advertisex.settings.model import Settings
from advertisex.settings.reports import ReportSettings

T = TypeVar("T")

#: The exception that typer raises for an invalid command line; it has no public name.
_UsageError: Any = typer.BadParameter.__base__

#: Options that are not a part of a question.
_ELSEWHERE = ("data", "log", "store", "config", "server", "json", "csv", "table", "html", "inline", "debug", "help")
_OF_SETTINGS = {"rates": "use the setting analysis.rates"}
_OPTION = re.compile(r"--([a-z][a-z-]*)")


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved report as of a time.

    Attributes:
        asked: its question and options.
        since: the beginning of its range as text, empty if unbounded.
        until: its end.
    """

    asked: Asked
    since: str
    until: str


def saved_report(settings: Settings, name: str, flags: Sequence[str], now: datetime) -> Saved:
    """Read a saved report.

    Args:
        settings: the settings.
        name: name of the report.
        flags: options of the command line that are added.
        now: the current time, naive UTC, for relative times.

    Raises:
        ConfigurationError: no report has the name, or its question or an option is invalid.
    """
    report = settings.reports.get(name)
    if report is None:
        known = ", ".join(settings.reports)
        hint = f"use one of {known}" if known else f"add [reports.{name}] to the settings"
        raise ConfigurationError(f"unknown report {name!r}", hint=hint)
    command = _parsers().commands.get(report.question)
    if command is None:
        raise ConfigurationError(
            f"unknown question {report.question!r}",
            hint=f"use one of {', '.join(SHOWN)}",
            setting=("reports", name, "question"),
        )
    options = in_settings(name, report, lambda: _with_times(report, settings, now))
    words: list[str] = []
    for key, value in options.items():
        words += _words(key, value, command, name)
    asked = in_settings(name, report, lambda: _parsed(command, [*words, *flags]))
    return Saved(asked, str(options.get("since", "")), str(options.get("until", "")))


def in_settings(name: str, report: ReportSettings, act: Callable[[], T]) -> T:
    """Do something with the options of a report; an error that names one of them names its place in the settings."""
    try:
        return act()
    except ConfigurationError as error:
        keys = [match.replace("-", "_") for match in _OPTION.findall(error.what)]
        given = [key for key in keys if key in report.options]
        setting = ("reports", name, *given[:1])
        raise ConfigurationError(error.what, where=error.where, hint=error.hint, setting=setting) from error


def _with_times(report: ReportSettings, settings: Settings, now: datetime) -> Mapping[str, Any]:
    options = report.options
    if report.range is None:
        times = {key: options[key] for key in ("since", "until") if isinstance(options.get(key), str)}
        return options | {key: time_of(text, f"--{key}", now) for key, text in times.items()}
    for key in ("since", "until"):
        if key in options:
            raise ConfigurationError(f"--{key}: the report has a range", hint=f"use either range or {key}")
    zone = check_zone(options.get("zone", settings.analysis.zone), "--zone")
    since, until = days_of(report.range, zone, now)
    return options | {"since": since, "until": until}


def _words(key: str, value: Any, command: Any, name: str) -> list[str]:
    """An option of a report, as on the command line.

    Raises:
        ConfigurationError: the question does not have the option, or its value cannot be written there.
    """
    option, setting = f"--{key.replace('_', '-')}", ("reports", name, key)
    known = {opt: one for one in command.params for opt in one.opts if opt.removeprefix("--") not in _ELSEWHERE}
    if option not in known or key in _OF_SETTINGS:
        names = ", ".join(opt.removeprefix("--").replace("-", "_") for opt in known if opt != "--rates")
        hint = _OF_SETTINGS.get(key, f"use range, formats or one of {names}")
        raise ConfigurationError(f"a report of {command.name} has no option {key!r}", hint=hint, setting=setting)
    if known[option].is_flag != isinstance(value, bool):
        expected = "true or false" if known[option].is_flag else "text or a number"
        raise ConfigurationError(f"{key}: expected {expected}", setting=setting)
    if isinstance(value, bool):
        return [option] if value else []
    if isinstance(value, Mapping):
        return [f"{option}={field}={_text(each)}" for field, each in value.items()]
    return [f"{option}={_text(each)}" for each in (value if isinstance(value, list) else [value])]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):  # a datetime, too
        return value.isoformat()
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def _parsed(command: Any, words: Sequence[str]) -> Asked:
    try:
        asked: Asked = command.main(list(words), prog_name=command.name, standalone_mode=False)
    except _UsageError as error:
        raise usage_error(error, "advertisex report", words) from error
    return asked


@cache
def _parsers() -> Any:
    """The parsers of all questions; each returns what was asked."""
    app = typer.Typer(add_completion=False)
    for name, (question, show) in SHOWN.items():
        app.command(name)(parser(question, show, lambda asked: asked))
    return get_group(app)
