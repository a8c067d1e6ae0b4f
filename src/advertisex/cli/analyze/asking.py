"""Turns a question into a command, with its own options and those that all questions have."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from advertisex.analysis.answer import Answer, not_kept
from advertisex.cli.analyze.printed import Printed
from advertisex.cli.analyze.showing import print_answer
from advertisex.cli.analyze.watched import Watched
from advertisex.cli.options import opened_store, settings_of
from advertisex.cli.output import err
from advertisex.cli.progress import progress
from advertisex.cli.server import Server
from advertisex.cli.typed import FILTERS, typed
from advertisex.extras import extra
from advertisex.processing.clock_check import warn_of_clock
from advertisex.questions.asking import Inquiry, Question
from advertisex.questions.definitions import WITHOUT
from advertisex.questions.option import named
from advertisex.questions.selection import Selection
from advertisex.reporting.answer_file import file_target
from advertisex.settings.model import Settings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked, with its options.

    Attributes:
        question: the question.
        own: its own options, by their public names.
        selection: the options that all questions have.
        printed: where the data is, and how to print the answer.
        show: prints a human-readable answer.
    """

    question: Question
    own: Mapping[str, Any]
    selection: Selection
    printed: Printed
    show: Callable[[Answer], None]


def common_options(name: str) -> list[inspect.Parameter]:
    """The options that the commands of all questions have, as typer reads them, but for those that this one rejects."""
    without = WITHOUT.get(name, ())
    selected = [one for one in typed(Selection, FILTERS) if one.name not in without]
    printed = inspect.signature(Printed, eval_str=True).parameters.values()
    return [*selected, *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in printed)]


def parts_of(options: Mapping[str, Any]) -> tuple[Selection, Printed]:
    """Make both parts of the values of `common_options`.

    Raises:
        ConfigurationError: the options contradict each other.
    """
    selected = {name: options[name] for name in inspect.signature(Selection).parameters if name in options}
    printed = Printed(**{name: value for name, value in options.items() if name not in selected})
    printed.check()
    return Selection(**selected), printed


def parser(
    question: Callable[..., Question], show: Callable[[Answer], None], then: Callable[[Asked], T]
) -> Callable[..., T]:
    """Build the function for typer that parses the options of a question.

    Args:
        question: takes the question's own options; its docstring becomes that of the function.
        show: prints a human-readable answer.
        then: what to do with the result.

    Returns:
        A function with the question's own options and the common ones.

    Raises:
        ConfigurationError: what the question raises, or common options contradict each other.
    """
    own = typed(question)

    def ask(**options: Any) -> T:
        own_options = {one.name: options.pop(one.name) for one in own}
        selection, printed = parts_of(options)
        return then(Asked(question(**own_options), named(question, own_options), selection, printed, show))

    ask.__name__, ask.__doc__ = question.__name__, question.__doc__
    options = [*own, *common_options(question.__name__)]
    ask.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined] # typer reads it
    return ask


def command(question: Callable[..., Question], show: Callable[[Answer], None] = print_answer) -> Callable[..., None]:
    """Build the command for a question; see `parser`."""
    path = f"analyze/{question.__name__}"
    return parser(question, show, partial(_ask, path))


def _ask(path: str, asked: Asked) -> None:
    printed = asked.printed
    if printed.server is None:
        settings = settings_of(printed.config, data=printed.data, log=printed.log, store=printed.store)
        print_asked(asked, settings)
        return
    with printed.connected(printed.server) as server:
        print_answer_of(server, path, asked.own, asked.selection, printed, asked.show)


def print_answer_of(
    server: Server,
    path: str,
    own: Mapping[str, Any],
    selection: Selection,
    printed: Printed,
    show: Callable[[Answer], None] = print_answer,
) -> Answer:
    """Let a server answer a question, print the answer, and return it.

    Args:
        server: the server.
        path: where its API has the question.
        own: the question's own options, by their public names.
        selection: the options that all questions have.
        printed: how to print the answer.
        show: prints a human-readable answer.
    """
    options = {**own, **named(Selection, asdict(selection))}
    return print_as(printed, show, lambda: server.get(path, options, Answer))


def answered(asked: Asked, settings: Settings) -> Answer:
    """Answer a question from the configured store.

    Raises:
        ConfigurationError: an option is invalid.
        AdvertiseXError: the question cannot be answered.
    """
    inquiry = Inquiry.of(asked.question, asked.selection, settings.analysis, asked.printed.rates)
    with opened_store(settings, read_only=True) as store:
        warn_of_clock(store, utc_now())
        with progress("analyzing", None, unit="rows") as bar:
            return inquiry.answer(cast("EventStore", Watched(store, bar)) if bar.is_shown else store)


def print_asked(
    asked: Asked, settings: Settings, checked: Callable[[Callable[[], Answer]], Answer] = lambda act: act()
) -> None:
    """Answer a question and print the answer as asked.

    Args:
        asked: the question.
        settings: the settings.
        checked: calls the function that answers it, and adds to its errors.
    """
    print_as(asked.printed, asked.show, lambda: checked(lambda: answered(asked, settings)))


def print_as(printed: Printed, show: Callable[[Answer], None], answered: Callable[[], Answer]) -> Answer:
    """Print an answer as the options say, and return it.

    Args:
        printed: the options.
        show: prints a human-readable answer.
        answered: answers the question, once the options are checked.
    """
    page = None if printed.html is None else file_target(printed.html, option="--html")
    answer = answered()
    if page is not None:
        _write_page(answer, page, inline=printed.inline)
    if printed.as_json:
        sys.stdout.write(answer.to_json())
    elif printed.as_csv:
        if answer.kept_since is not None:  # the table cannot say it
            err.print(not_kept(answer.kept_since), markup=False, soft_wrap=True)
        _write_unchanged(answer.to_csv(table=printed.table))
    elif page is None:
        show(answer)
    return answer


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
