"""`advertisex overview`: the first thing to look at."""

import inspect
from contextlib import ExitStack
from typing import Any

from advertisex.cli.analyze.asking import Asked, common_options, parts_of, print_answer_of, print_asked
from advertisex.cli.analyze.showing import print_answer
from advertisex.cli.options import opened_log, settings_of
from advertisex.errors import LogMissing
from advertisex.questions.overview import overview_of


def overview(**given: Any) -> None:
    """Whether the numbers can be trusted, what is at risk, and today beside a week before."""
    selection, printed = parts_of(given)
    if printed.server is not None:
        with printed.connected(printed.server) as server:
            print_answer_of(server, "overview", {}, selection, printed)
        return
    settings = settings_of(printed.config, data=printed.data, log=printed.log, store=printed.store)
    with ExitStack() as stack:
        try:
            log = stack.enter_context(opened_log(settings, create=False))
        except LogMissing:
            log = None
        print_asked(Asked(overview_of(settings, log), {}, selection, printed, print_answer), settings)


# typer reads the options from the signature
overview.__signature__ = inspect.Signature(common_options("overview"))  # type: ignore[attr-defined]
