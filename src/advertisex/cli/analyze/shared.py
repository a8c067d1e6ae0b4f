"""The options that every question has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from advertisex.analysis.scope import Scope
from advertisex.cli.options import ConfigOption, DataOption, DebugOption, JsonOption, StoreOption, moment
from advertisex.errors import ConfigurationError

_WHICH = "Which events"
_PRINTED = "How it is shown"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the command line gave, by name; typer reads the options off the fields."""

    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only events from then on (UTC).", rich_help_panel=_WHICH),
    ] = None
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only events before then (UTC).", rich_help_panel=_WHICH)
    ] = None
    campaign: Annotated[str | None, typer.Option(metavar="ID", help="Only this campaign.", rich_help_panel=_WHICH)] = (
        None
    )
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The answer as it was then: only what had been processed by then (UTC).",
            rich_help_panel=_WHICH,
        ),
    ] = None
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print the main table as CSV on stdout.", rich_help_panel=_PRINTED)
    ] = False
    table: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another table for --csv.", rich_help_panel=_PRINTED)
    ] = None
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with figures and tables.", rich_help_panel=_PRINTED),
    ] = None
    data: DataOption = None
    store: StoreOption = None
    config: ConfigOption = None
    as_json: JsonOption = False
    debug: DebugOption = False

    def scope(self) -> Scope:
        """Which events are asked about.

        Raises:
            ConfigurationError: a time is none, or the range is empty.
        """
        scope = Scope(
            moment(self.since, "--since"), moment(self.until, "--until"), self.campaign, moment(self.as_of, "--as-of")
        )
        if scope.since and scope.until and scope.since >= scope.until:
            raise ConfigurationError(f"the range is empty: {scope.text()}", hint="let --since lie before --until")
        return scope

    def check(self) -> None:
        """Refuse what contradicts itself, before the question is asked.

        Raises:
            ConfigurationError: it does.
        """
        if self.as_json and self.as_csv:
            raise ConfigurationError("--json and --csv both print on stdout", hint="choose one of them")
        if self.table is not None and not self.as_csv:
            raise ConfigurationError("--table chooses what --csv prints", hint="add --csv")
