"""`advertisex analyze`: answer questions about the stored events."""

from collections.abc import Callable

import typer

from advertisex.analysis.answer import Answer
from advertisex.cli.analyze import questions
from advertisex.cli.analyze.asking import Question, command
from advertisex.cli.analyze.counts import print_correlation, print_summary, show_correlation, show_summary
from advertisex.cli.analyze.showing import print_answer

app = typer.Typer(help="Answer questions about the stored events.", no_args_is_help=True)

#: The questions, and what prints their answers.
QUESTIONS: dict[str, tuple[Callable[..., Question], Callable[[Answer], None]]] = {
    "summary": (questions.summary, show_summary),
    "correlation": (questions.correlation, show_correlation),
    "performance": (questions.performance, print_answer),
    "pacing": (questions.pacing, print_answer),
    "funnel": (questions.funnel, print_answer),
    "attribution": (questions.attribution, print_answer),
    "journeys": (questions.journeys, print_answer),
    "reach": (questions.reach, print_answer),
    "bids": (questions.bids, print_answer),
    "quality": (questions.quality, print_answer),
    "restatement": (questions.restatement, print_answer),
}
for _name, (_question, _show) in QUESTIONS.items():
    app.command(_name)(command(_question, _show))

__all__ = ["QUESTIONS", "app", "print_correlation", "print_summary"]
