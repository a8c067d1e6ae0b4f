"""`advertisex analyze`: answer questions about the stored events."""

import typer

from advertisex.cli.analyze import questions
from advertisex.cli.analyze.asking import command
from advertisex.cli.analyze.counts import print_correlation, print_summary, show_correlation, show_summary

app = typer.Typer(help="Answer questions about the stored events.", no_args_is_help=True)

app.command()(command(questions.summary, show=show_summary))
app.command()(command(questions.correlation, show=show_correlation))
for _question in (
    questions.performance, questions.pacing, questions.funnel, questions.attribution, questions.journeys,
    questions.reach, questions.bids, questions.quality, questions.restatement,
):  # fmt: skip
    app.command()(command(_question))

__all__ = ["app", "print_correlation", "print_summary"]
