"""The options that all questions have: what to select, and how to count it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from advertisex.analysis.arguments import check_zone
from advertisex.analysis.scope import Scope
from advertisex.analysis.views.asking import Conversion
from advertisex.analysis.views.rates import read_rates
from advertisex.errors import ConfigurationError
from advertisex.feeds.words import ISO_4217
from advertisex.questions.option import Option
from advertisex.questions.time_text import parse_time
from advertisex.settings.analysis import AnalysisSettings


@dataclass(frozen=True, slots=True)
class Selection:
    """Values of the options that all questions have."""

    since: Annotated[str | None, Option(metavar="TIME", help="Only events at or after this time, in --zone.")] = None
    until: Annotated[str | None, Option(metavar="TIME", help="Only events before this time, in --zone.")] = None
    campaign: Annotated[str | None, Option(metavar="ID", help="Only this campaign.")] = None
    where: Annotated[
        list[str] | None,
        Option(
            metavar="FIELD=VALUE",
            help="Only events with this value of a stored field, as in device=phone; repeatable.",
        ),
    ] = None
    as_of: Annotated[
        str | None,
        Option(metavar="TIME", help="The answer as of this time: only events processed by then (UTC)."),
    ] = None
    zone: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="Time zone of days, weeks and months, as in Europe/Paris.",
            default="UTC, or analysis.zone",
        ),
    ] = None
    currency: Annotated[
        str | None,
        Option(metavar="CODE", help="Convert all amounts to this currency, with the exchange rates."),
    ] = None
    valid_only: Annotated[bool, Option(help="Leave out invalid traffic, with the gross numbers beside.")] = False

    def scope(self, default_zone: str) -> Scope:
        """Build the scope.

        Args:
            default_zone: the time zone if the selection has none.

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

    def conversion(self, settings: AnalysisSettings, rates: Path | None = None) -> Conversion | None:
        """Read the exchange rates, if amounts are to be converted.

        Args:
            settings: the settings of the analysis.
            rates: a file of rates that takes precedence.

        Raises:
            ConfigurationError: the currency is unknown, rates are missing, or their file is invalid.
        """
        currency, file = self.currency or settings.currency, rates or settings.rates
        if currency is None:
            if rates is not None:
                raise ConfigurationError("--rates requires --currency", hint="add --currency EUR, for example")
            return None
        if currency not in ISO_4217:
            raise ConfigurationError(f"--currency: unknown currency {currency!r}", hint="use a code of ISO 4217: EUR")
        if file is None:
            option = "" if self.currency is None else "--currency: "
            raise ConfigurationError(
                f"{option}amounts cannot be converted to {currency} without exchange rates",
                hint="set analysis.rates in the settings; on the command line, `--rates FILE` does the same",
            )
        return Conversion(currency, read_rates(file), str(file))

    def _fields(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for text in self.where or ():
            name, equals, value = text.partition("=")
            if not equals:
                raise ConfigurationError(f"--where: {text!r} has no '='", hint="write it as --where FIELD=VALUE")
            if name in found:
                raise ConfigurationError("--where: a field is given twice", hint="use each field once")
            found[name] = value
        return found
