"""The `advertisex` command and its subcommands. Little is imported here: it is all that the help waits for."""

import sys
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from advertisex.cli.help import CONTEXT, with_plain_types
from advertisex.cli.signals import Interruption
from advertisex.errors import ConfigurationError

#: The exception that typer raises for an invalid command line; it has no public name.
_UsageError: Any = typer.BadParameter.__base__


class _Command(NamedTuple):
    """A command: its module in `advertisex.cli`, the function or the app in it, and its line in the help."""

    module: str
    attribute: str
    summary: str


#: The commands, in the order of the help.
COMMANDS = {
    "init": _Command("init", "init", "Look at your sources, and write a settings file for them."),
    "demo": _Command(
        "demo",
        "demo",
        "Run the whole pipeline on simulated data, and check the result against the known truth.",
    ),
    "preview": _Command(
        "preview",
        "preview",
        "Show what would be read from the beginning of a source, and what would be rejected; write nothing.",
    ),
    "ingest": _Command(
        "ingest",
        "ingest",
        "Append every record of the sources to the event log; nothing is validated or dropped here.",
    ),
    "sources": _Command("sources", "app", "Show how far each source has been read, and read sources again."),
    "process": _Command(
        "process",
        "process",
        "Validate, filter and deduplicate messages from the log, store them exactly once, and print the ledger.",
    ),
    "run": _Command(
        "run",
        "run",
        "Ingest the configured sources, process their messages and evaluate alerts, until interrupted.",
    ),
    "serve": _Command("serve", "serve", "Serve the dashboard and the HTTP API, until interrupted."),
    "token": _Command("token", "token", "Make a token for the dashboard and the HTTP API."),
    "overview": _Command(
        "overview",
        "overview",
        "Whether the numbers can be trusted, what is at risk, and today beside a week before.",
    ),
    "analyze": _Command("analyze", "app", "Answer questions about the stored events."),
    "reconcile": _Command(
        "reconcile",
        "reconcile",
        "Compare a partner's report with our numbers by campaign and day, and explain the gaps.",
    ),
    "report": _Command("reports", "report", "Run or list the saved reports of the settings, also on schedule."),
    "catalogue": _Command("catalogue", "app", "Import the catalogue of creatives and campaigns, and show it."),
    "rejects": _Command(
        "rejects",
        "app",
        "List, show, export, replay and resolve rejected and filtered messages, and conflicts.",
    ),
    "anomalies": _Command(
        "anomalies",
        "anomalies",
        "Search the stored history for anomalies: time buckets with values outside their expected range.",
    ),
    "alerts": _Command("alerts", "app", "List alerts and test their channels."),
    "ledger": _Command(
        "ledger",
        "ledger",
        "Show the counts of every partition: read = stored + duplicate + filtered + rejected + erased.",
    ),
    "erase": _Command(
        "erase",
        "erase",
        "Permanently remove a user from events, rejects and the embedded log, and suppress their later messages.",
    ),
    "erasures": _Command(
        "erase",
        "erasures",
        "List erasures: when they ran and what they removed. User ids are not recorded.",
    ),
    "doctor": _Command(
        "doctor",
        "doctor",
        "Check settings, log, topics, store, templates, versions, clock and disk; suggest a fix for each problem.",
    ),
    "rebuild": _Command(
        "rebuild",
        "rebuild",
        "Make a new store from the log beside the old one, and then put it in its place.",
    ),
    "simulate": _Command(
        "simulate",
        "simulate",
        "Generate seeded traffic of all three feeds with known fault rates, and report exactly what was generated.",
    ),
}


class _Commands(TyperGroup):
    """The commands. The module of each is imported when the command runs: all of them take seconds."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=command.summary) for name, command in COMMANDS.items()}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments name, and import it."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and loaded(found.name), rest

    def get_params(self, ctx: Any) -> list[Any]:
        found: list[Any] = super().get_params(ctx)
        for option in found:  # all of them are flags
            option.metavar = ""
        return found

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an interrupt is raised as an exception that typer does not know."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise Interruption from interrupt


@cache
def loaded(name: str) -> Any:
    """Import a command."""
    module, attribute, _ = COMMANDS[name]
    found = getattr(import_module(f"advertisex.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = get_command(alone)
    command.name = name
    _name_in_errors(command)
    return with_plain_types(command)


def _name_in_errors(command: Any) -> None:
    """Let the errors of the parser of a command and of its subcommands name the command; some of them do not."""
    parse = command.parse_args

    def parse_args(ctx: Any, args: list[str]) -> Any:
        try:
            return parse(ctx, args)
        except _UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    command.parse_args = parse_args
    for subcommand in getattr(command, "commands", {}).values():
        _name_in_errors(subcommand)


app = typer.Typer(
    name="advertisex",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,  # of every command
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - slow to import, and rarely needed

        typer.echo(f"advertisex {version('advertisex')}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Ad events you can trust: ingest impressions, clicks and bids, process them exactly once, and analyze them."""
    if ctx.obj is not None:
        ctx.obj()


def _begin() -> None:
    from advertisex.cli.session import begin  # noqa: PLC0415 - slow to import

    begin()


def run_command() -> int:
    """Parse the arguments, run the command and return its exit code.

    Raises:
        ConfigurationError: the command line is invalid.
        Interruption: the command was interrupted.
    """
    try:
        return int(app(prog_name=app.info.name, standalone_mode=False, obj=_begin) or 0)
    except _UsageError as error:
        if not error.format_message():  # without arguments, typer has printed the help
            return ConfigurationError.exit_code
        from advertisex.cli.usage import usage_error  # noqa: PLC0415 - imports pydantic

        raise usage_error(error, str(app.info.name), sys.argv[1:]) from error
