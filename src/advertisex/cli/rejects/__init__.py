"""`advertisex rejects`: list, show, export, repair, replay and resolve messages that were not stored."""

import typer

from advertisex.cli.rejects.exporting import export_rejects
from advertisex.cli.rejects.listing import list_rejects
from advertisex.cli.rejects.replaying import replay_rejects
from advertisex.cli.rejects.resolving import resolve_rejects
from advertisex.cli.rejects.showing import show_rejects

app = typer.Typer(
    help="List, show, export, replay and resolve rejected and filtered messages, and conflicts.", no_args_is_help=True
)


@app.callback()
def rejects() -> None:
    """List, show, export, replay and resolve rejected and filtered messages, and conflicts."""


app.command("list")(list_rejects)
app.command("show")(show_rejects)
app.command("export")(export_rejects)
app.command("replay")(replay_rejects)
app.command("resolve")(resolve_rejects)
