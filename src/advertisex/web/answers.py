"""Answers the questions that URLs ask."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from advertisex.analysis.answer import Answer
from advertisex.questions.asking import Inquiry, Question
from advertisex.questions.definitions import QUESTIONS, WITHOUT
from advertisex.questions.option import Parameter, parameters_of
from advertisex.questions.selection import Selection
from advertisex.settings.analysis import AnalysisSettings
from advertisex.web import overview, reconcile
from advertisex.web.kept import Bound, State, state_of
from advertisex.web.query import options_from
from advertisex.web.site import Site

_SELECTION = tuple(parameters_of(Selection))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that a URL can ask.

    Attributes:
        name: its name, and that of its page.
        path: its path in the API.
        summary: what it answers.
        own: its own options.
        bound: binds it to the values of these; it can be asked while the context is open.
    """

    name: str
    path: str
    summary: str
    own: tuple[Parameter, ...]
    bound: Callable[[Site, dict[str, Any]], AbstractContextManager[Bound]]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its options: its own, then those that all questions have."""
        without = WITHOUT.get(self.name, ())
        return self.own + tuple(one for one in _SELECTION if one.public_name not in without)

    def answer(self, site: Site, query: Iterable[tuple[str, str]]) -> Answer:
        """Answer it with the options of a query string.

        Raises:
            ConfigurationError: an option is invalid.
            AdvertiseXError: it cannot be answered.
        """
        pairs = list(query)
        options = options_from(pairs, self.parameters)
        own = {one.name: options.pop(one.name) for one in self.own}
        with self.bound(site, own) as (question, beside):
            files = _files_of(site.settings.analysis)
            inquiry = Inquiry.of(question, Selection(**options), site.settings.analysis)
            with site.store() as store:
                state = State(state_of(store), (beside, files))
                return site.kept.answer(self._asked(pairs), state, partial(inquiry.answer, store))

    def soon(self, site: Site, query: Sequence[tuple[str, str]]) -> tuple[Answer, bool]:
        """Like `answer`, but if that takes long, return the one before: see `Kept.soon`."""
        return site.kept.soon(self._asked(query), partial(self.answer, site, query))

    def address(self, query: Sequence[tuple[str, str]]) -> str:
        """The address of its answer in the API."""
        return f"/api/v1/{self.path}?{urlencode(query)}"

    def table_address(self, table: str, query: Sequence[tuple[str, str]]) -> str:
        """The address of a table of its answer in the API, as CSV."""
        return f"/api/v1/{self.path}/tables/{table}.csv?{urlencode(query)}"

    def _asked(self, query: Sequence[tuple[str, str]]) -> Hashable:
        return (self.name, *sorted(query, key=lambda pair: pair[0]))  # the order of a repeated option matters


def _of_store(name: str, question: Callable[..., Question]) -> Asked:
    """A question about the store alone."""

    def bound(site: Site, own: dict[str, Any]) -> AbstractContextManager[Bound]:
        return nullcontext(Bound(question(**own)))

    return Asked(name, f"analyze/{name}", question.__doc__ or "", tuple(parameters_of(question)), bound)


#: All questions by name.
ASKED = {name: _of_store(name, question) for name, question in QUESTIONS.items()} | {
    "overview": Asked("overview", "overview", overview.SUMMARY, (), overview.bound),
    "reconcile": Asked("reconcile", "reconcile", reconcile.SUMMARY, reconcile.PARAMETERS, reconcile.bound),
}


def pinned(query: Iterable[tuple[str, str]], answer: Answer) -> list[tuple[str, str]]:
    """The options of a question, with the time as of which it was answered: they give the same answer again."""
    as_of = answer.scope.as_of
    pairs = [pair for pair in query if pair[0] != "as_of"]
    return pairs if as_of is None else [*pairs, ("as_of", f"{as_of.isoformat()}Z")]


def _files_of(settings: AnalysisSettings) -> Hashable:
    """The state of the files that the settings of the analysis name."""
    return tuple(_changed(path) for path in (settings.rates, settings.data_centres) if path is not None)


def _changed(path: Path) -> Hashable:
    try:
        found = path.stat()
    except OSError:  # it is reported where it is read
        return None
    return found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino  # a copy may keep its time and size
