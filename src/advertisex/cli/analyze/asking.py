"""Turns a question into a command, with its own options and the shared ones."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from advertisex.analysis.answer import Answer, not_kept
from advertisex.analysis.networks import read_networks
from advertisex.analysis.scope import Scope
from advertisex.analysis.views import asking as views
from advertisex.cli.analyze.shared import Shared
from advertisex.cli.analyze.showing import print_answer
from advertisex.cli.analyze.watched import Watched
from advertisex.cli.options import opened_store, settings_of
from advertisex.cli.output import err
from advertisex.cli.progress import progress
from advertisex.extras import extra
from advertisex.processing.clock_check import warn_of_clock
from advertisex.reporting.answer_file import file_target
from advertisex.settings.analysis import AnalysisSettings
from advertisex.settings.model import Settings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore

T = TypeVar("T")

#: A question with its own options applied; it takes the store and the scope.
Question = Callable[[EventStore, Scope], Answer]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked, with its options.

    Attributes:
        question: the question.
        shared: the options that all questions have.
        show: prints a human-readable answer.
    """

    question: Question
    shared: Shared
    show: Callable[[Answer], None]


def parser(
    question: Callable[..., Question], show: Callable[[Answer], None], then: Callable[[Asked], T]
) -> Callable[..., T]:
    """Build the function for typer that parses the options of a question.

    Args:
        question: takes the question's own options; its signature and docstring become those of the function.
        show: prints a human-readable answer.
        then: what to do with the result.

    Returns:
        A function with the question's own options and the shared ones.

    Raises:
        ConfigurationError: what the question raises, or shared options contradict each other.
    """
    own, shared = (inspect.signature(of, eval_str=True).parameters for of in (question, Shared))

    def ask(**options: Any) -> T:
        own_options = {name: options.pop(name) for name in own}
        asked = Asked(question(**own_options), Shared(**options), show)
        asked.shared.check()
        return then(asked)

    ask.__name__, ask.__doc__ = question.__name__, question.__doc__
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own.values(), *shared.values())]
    ask.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined] # typer reads it
    return ask


def command(question: Callable[..., Question], show: Callable[[Answer], None] = print_answer) -> Callable[..., None]:
    """Build the command for a question; see `parser`."""
    return parser(question, show, _ask)


def _ask(asked: Asked) -> None:
    shared = asked.shared
    print_asked(asked, settings_of(shared.config, data=shared.data, log=shared.log, store=shared.store))


def answered(asked: Asked, settings: Settings) -> Answer:
    """Answer a question from the configured store.

    Raises:
        ConfigurationError: an option is invalid.
        AdvertiseXError: the question cannot be answered.
    """
    shared = asked.shared
    scope, conversion = shared.scope(settings.analysis.zone), shared.conversion(settings.analysis)
    data_centres = _data_centres(settings.analysis)
    with opened_store(settings, read_only=True) as store:
        warn_of_clock(store, utc_now())
        with progress("analyzing", None, unit="rows") as bar:
            return views.ask(
                asked.question,
                cast("EventStore", Watched(store, bar)) if bar.is_shown else store,
                scope.settled(store),
                conversion=conversion,
                valid_only=shared.valid_only,
                data_centres=data_centres,
            )


def _data_centres(settings: AnalysisSettings) -> views.DataCentres | None:
    if settings.data_centres is None:
        return None
    return views.DataCentres(read_networks(settings.data_centres), settings.ip_field)


def print_asked(
    asked: Asked, settings: Settings, checked: Callable[[Callable[[], Answer]], Answer] = lambda act: act()
) -> None:
    """Answer a question and print the answer as asked.

    Args:
        asked: the question.
        settings: the settings.
        checked: calls the function that answers it, and adds to its errors.
    """
    shared = asked.shared
    page = None if shared.html is None else file_target(shared.html, option="--html")
    answer = checked(lambda: answered(asked, settings))
    if page is not None:
        _write_page(answer, page, inline=shared.inline)
    if shared.as_json:
        sys.stdout.write(answer.to_json())
    elif shared.as_csv:
        if answer.kept_since is not None:  # the table cannot say it
            err.print(not_kept(answer.kept_since), markup=False, soft_wrap=True)
        _write_unchanged(answer.to_csv(table=shared.table))
    elif page is None:
        asked.show(answer)


def _write_page(answer: Answer, page: Path, *, inline: bool) -> None:
    with extra("web", "pages"):
        from advertisex.reporting.page import write_page  # noqa: PLC0415 - an extra

    for file in write_page(answer, page, inline=inline):
        err.print(f"wrote {file}", markup=False, style="dim", soft_wrap=True)


def _write_unchanged(text: str) -> None:
    """Write text to stdout without translating its line endings."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
