"""The options of the questions that only the command line has: where the data is, and how to print the answer."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from advertisex.cli.options import ConfigOption, DataOption, DebugOption, JsonOption, LogOption, StoreOption
from advertisex.cli.server import Server, ServerOption, asked
from advertisex.cli.typed import FILTERS
from advertisex.errors import ConfigurationError

_PRINTED = "Output"


@dataclass(frozen=True, slots=True)
class Printed:
    """Values of these options; typer derives the options from the fields."""

    rates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Exchange rates as CSV: date, from, to, rate.", rich_help_panel=FILTERS),
    ] = None
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
    server: ServerOption = None
    as_json: JsonOption = False
    debug: DebugOption = False

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

    def connected(self, url: str) -> AbstractContextManager[Server]:
        """Connect to a server, which reads its own data with its own settings.

        Raises:
            ConfigurationError: an option names something on this machine, or the address is not valid.
        """
        return asked(url, rates=self.rates, data=self.data, log=self.log, store=self.store, config=self.config)
