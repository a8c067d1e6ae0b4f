"""Options shared by every question."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from advertisex.analysis.arguments import check_zone
from advertisex.analysis.scope import Scope
from advertisex.analysis.views.asking import Conversion
from advertisex.analysis.views.rates import read_rates
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    parse_pairs,
    parse_time,
)
from advertisex.errors import ConfigurationError
from advertisex.feeds.words import ISO_4217
from advertisex.settings.analysis import AnalysisSettings

_WHICH = "Filters"
_PRINTED = "Output"


@dataclass(frozen=True, slots=True)
class Shared:
    """Values of the shared options; typer derives the options from the fields."""

    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only events at or after this time, in --zone.", rich_help_panel=_WHICH),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only events before this time, in --zone.", rich_help_panel=_WHICH),
    ] = None
    campaign: Annotated[str | None, typer.Option(metavar="ID", help="Only this campaign.", rich_help_panel=_WHICH)] = (
        None
    )
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="Only events with this value of a stored field, as in device=phone; repeatable.",
            rich_help_panel=_WHICH,
        ),
    ] = None
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The answer as of this time: only events processed by then (UTC).",
            rich_help_panel=_WHICH,
        ),
    ] = None
    zone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Time zone of days, weeks and months, as in Europe/Paris.  \\[default: UTC, or analysis.zone]",
            rich_help_panel=_WHICH,
        ),
    ] = None
    currency: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Convert all amounts to this currency, with --rates.", rich_help_panel=_WHICH
        ),
    ] = None
    rates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Exchange rates as CSV: date, from, to, rate.", rich_help_panel=_WHICH),
    ] = None
    valid_only: Annotated[
        bool,
        typer.Option(
            "--valid-only", help="Leave out invalid traffic, with the gross numbers beside.", rich_help_panel=_WHICH
        ),
    ] = False
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print the main table as CSV on stdout.", rich_help_panel=_PRINTED)
    ] = False
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Table for --csv.  \\[default: the main table]", rich_help_panel=_PRINTED),
    ] = None
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write an HTML page with figures and tables, and the script of its figures beside it.",
            rich_help_panel=_PRINTED,
        ),
    ] = None
    inline: Annotated[
        bool,
        typer.Option(
            "--inline", help="Put the script into the page: one file, larger by 5 MB.", rich_help_panel=_PRINTED
        ),
    ] = False
    data: DataOption = None
    log: LogOption = None
    store: StoreOption = None
    config: ConfigOption = None
    as_json: JsonOption = False
    debug: DebugOption = False

    def scope(self, default_zone: str) -> Scope:
        """Build the scope from the options.

        Args:
            default_zone: the time zone without `--zone`.

        Raises:
            ConfigurationError: a time or the zone is invalid, the range is empty, or a field is given twice or without
                a value.
        """
        zone = default_zone if self.zone is None else check_zone(self.zone, "--zone")
        return Scope(
            parse_time(self.since, "--since", zone),
            parse_time(self.until, "--until", zone),
            self.campaign,
            parse_time(self.as_of, "--as-of"),
            self._fields(),
            zone,
        )

    def conversion(self, settings: AnalysisSettings) -> Conversion | None:
        """Read the exchange rates, if amounts are to be converted.

        Raises:
            ConfigurationError: the currency is unknown, rates are missing, or their file is invalid.
        """
        currency, file = self.currency or settings.currency, self.rates or settings.rates
        if currency is None:
            if self.rates is not None:
                raise ConfigurationError("--rates requires --currency", hint="add --currency EUR, for example")
            return None
        if currency not in ISO_4217:
            raise ConfigurationError(f"--currency: unknown currency {currency!r}", hint="use a code of ISO 4217: EUR")
        if file is None:
            option = "" if self.currency is None else "--currency: "
            raise ConfigurationError(
                f"{option}amounts cannot be converted to {currency} without exchange rates",
                hint="set analysis.rates in the settings, or add --rates FILE to `advertisex analyze`",
            )
        return Conversion(currency, read_rates(file), str(file))

    def _fields(self) -> dict[str, str]:
        fields = parse_pairs(self.where, "--where")
        if len(fields) < len(self.where or ()):
            raise ConfigurationError("--where: a field is given twice", hint="use each field once")
        return fields

    def check(self) -> None:
        """Check the options before the question runs.

        Raises:
            ConfigurationError: they contradict each other.
        """
        if self.as_json and self.as_csv:
            raise ConfigurationError("--json and --csv both print to stdout", hint="use only one of them")
        if self.table is not None and not self.as_csv:
            raise ConfigurationError("--table requires --csv", hint="add --csv")
        if self.inline and self.html is None:
            raise ConfigurationError("--inline requires --html", hint="add --html FILE")
