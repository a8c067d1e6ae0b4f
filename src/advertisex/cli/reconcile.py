"""`advertisex reconcile`: a partner's report against our numbers."""

import inspect
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from advertisex.cli.analyze.asking import Asked, common_options, parts_of, print_answer_of, print_asked
from advertisex.cli.analyze.showing import print_answer
from advertisex.cli.options import opened_log, settings_of
from advertisex.cli.output import err
from advertisex.cli.typed import typed
from advertisex.errors import ConfigurationError, LogMissing
from advertisex.questions.option import named
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
    own = {one.name: given.pop(one.name) for one in (*typed(Terms), *typed(file_options))}
    terms = Terms(**{one.name: own[one.name] for one in typed(Terms)})
    options = file_options(**{one.name: own[one.name] for one in typed(file_options)})
    selection, printed = parts_of(given)
    if printed.server is not None:
        with printed.connected(printed.server) as server:
            uploaded = {"report": server.upload(_file_of(source))}
            wanted = uploaded | named(Terms, own) | named(file_options, own)
            answer = print_answer_of(server, "reconcile", wanted, selection, printed)
        taken = (f"{column} = {name}" for column, name in answer.parameters["columns"].items())
        _say(f"{answer.parameters['report']}: {', '.join(taken)}")
    else:
        settings = settings_of(printed.config, data=printed.data, log=printed.log, store=printed.store)
        report = report_of(source, terms, options, settings)
        _say(columns_taken(report))
        with ExitStack() as stack:
            try:
                log = stack.enter_context(opened_log(settings, create=False))
            except LogMissing:
                log = None
            question = reconciliation(report, terms, settings, log)
            print_asked(Asked(question, {}, selection, printed, print_answer), settings)
    if kept := settings_to_keep(terms, options):
        _say(f"To read the next report in the same way with --partner NAME, keep this in the settings:\n\n{kept}")


def _file_of(source: str) -> Path:
    """The file that is sent to a server.

    Raises:
        ConfigurationError: it is read from elsewhere.
    """
    if source == "-" or "://" in source:
        what = "stdin" if source == "-" else "a URL"
        raise ConfigurationError(f"{what} cannot be combined with --server", hint="save the report as a file")
    return Path(source)


def _say(text: str) -> None:
    err.print(text, markup=False, style="dim", soft_wrap=True)


# typer reads the options from the signature
reconcile.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [_REPORT, *typed(Terms), *typed(file_options), *common_options("reconcile")]
)
