"""`advertisex analyze`: answer questions about the stored events."""

from collections.abc import Callable

import typer

from advertisex.analysis.answer import Answer
from advertisex.cli.analyze.asking import command
from advertisex.cli.analyze.counts import print_correlation, print_summary, show_correlation, show_summary
from advertisex.cli.analyze.showing import print_answer
from advertisex.questions.definitions import QUESTIONS

app = typer.Typer(help="Answer questions about the stored events.", no_args_is_help=True)

#: What prints the answers of questions that have tables of their own for it.
_SHOWN: dict[str, Callable[[Answer], None]] = {"summary": show_summary, "correlation": show_correlation}

#: The questions, and what prints their answers.
SHOWN = {name: (question, _SHOWN.get(name, print_answer)) for name, question in QUESTIONS.items()}
for _name, (_question, _show) in SHOWN.items():
    app.command(_name)(command(_question, _show))

__all__ = ["SHOWN", "app", "print_correlation", "print_summary"]
