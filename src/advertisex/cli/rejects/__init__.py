"""`advertisex rejects`: what was refused, and why; how it is mended and sent again."""

import typer

from advertisex.cli.rejects.exporting import export_rejects
from advertisex.cli.rejects.listing import list_rejects
from advertisex.cli.rejects.replaying import replay_rejects
from advertisex.cli.rejects.showing import show_rejects

app = typer.Typer(help="What was rejected or filtered: why, and how to send it again.", no_args_is_help=True)


@app.callback()
def rejects() -> None:
    """What was rejected or filtered: why, and how to send it again."""


app.command("list")(list_rejects)
app.command("show")(show_rejects)
app.command("export")(export_rejects)
app.command("replay")(replay_rejects)
