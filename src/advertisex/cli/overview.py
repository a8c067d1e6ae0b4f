"""`advertisex overview`: the first thing to look at."""

import inspect
from contextlib import ExitStack
from typing import Any

from advertisex.cli.analyze.asking import asked_of, common_options, print_asked
from advertisex.cli.analyze.showing import print_answer
from advertisex.cli.options import opened_log, settings_of
from advertisex.errors import LogMissing
from advertisex.questions.overview import overview_of


def overview(**given: Any) -> None:
    """Whether the numbers can be trusted, what is at risk, and today beside a week before."""
    settings = settings_of(given["config"], data=given["data"], log=given["log"], store=given["store"])
    with ExitStack() as stack:
        try:
            log = stack.enter_context(opened_log(settings, create=False))
        except LogMissing:
            log = None
        print_asked(asked_of(overview_of(settings, log), given, print_answer), settings)


# typer reads the options from the signature
overview.__signature__ = inspect.Signature(common_options())  # type: ignore[attr-defined]
