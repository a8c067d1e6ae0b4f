"""Asks before a command does what was only previewed, or what cannot be undone."""

import sys

import typer

from advertisex.cli.output import err
from advertisex.errors import ConfigurationError


def check_can_ask(what: str) -> None:
    """Check that somebody can be asked.

    Args:
        what: what needs a confirmation.

    Raises:
        ConfigurationError: stdin is not a terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError(f"{what} needs confirmation, but stdin is not a terminal", hint="add --yes")


def confirm(question: str, otherwise: str) -> None:
    """Ask a question on the terminal, and exit unless the answer is yes; `otherwise` says what was not done."""
    try:
        sure = typer.confirm(question, err=True)
    except typer.Abort:  # interrupt or end of input
        raise KeyboardInterrupt from None
    if not sure:
        err.print(otherwise)
        raise typer.Exit(1)
