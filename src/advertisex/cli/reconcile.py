"""`advertisex reconcile`: a partner's report against our numbers."""

import inspect
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from advertisex.cli.analyze.asking import asked_of, common_options, print_asked
from advertisex.cli.analyze.showing import print_answer
from advertisex.cli.options import opened_log, settings_of
from advertisex.cli.output import err
from advertisex.cli.typed import typed
from advertisex.errors import LogMissing
from advertisex.questions.reading import file_options
from advertisex.questions.reconcile import Terms, columns_taken, reconciliation, report_of, settings_to_keep

_REPORT = inspect.Parameter(
    "report",
    inspect.Parameter.KEYWORD_ONLY,
    annotation=Annotated[
        str, typer.Argument(metavar="REPORT", help="The partner's report: a file, a URL, or - for stdin.")
    ],
)


def reconcile(**given: Any) -> None:
    """Compare a partner's report with our numbers by campaign and day, and explain the gaps."""
    source = given.pop("report")
    terms = Terms(**{one.name: given.pop(one.name) for one in typed(Terms)})
    options = file_options(**{one.name: given.pop(one.name) for one in typed(file_options)})
    settings = settings_of(given["config"], data=given["data"], log=given["log"], store=given["store"])
    report = report_of(source, terms, options, settings)
    _say(columns_taken(report))
    with ExitStack() as stack:
        try:
            log = stack.enter_context(opened_log(settings, create=False))
        except LogMissing:
            log = None
        question = reconciliation(report, terms, settings, log)
        print_asked(asked_of(question, given, print_answer), settings)
    if kept := settings_to_keep(terms, options):
        _say(f"To read the next report in the same way with --partner NAME, keep this in the settings:\n\n{kept}")


def _say(text: str) -> None:
    err.print(text, markup=False, style="dim", soft_wrap=True)


# typer reads the options from the signature
reconcile.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [_REPORT, *typed(Terms), *typed(file_options), *common_options()]
)
