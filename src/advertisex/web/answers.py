"""Answers the questions that URLs ask."""

from collections.abc import Callable, Iterable
from typing import Any

from advertisex.analysis.answer import Answer
from advertisex.questions.asking import Inquiry, Question
from advertisex.questions.option import Parameter, parameters_of
from advertisex.questions.selection import Selection
from advertisex.web.query import options_from
from advertisex.web.site import Site


def parameters_of_question(question: Callable[..., Question]) -> list[Parameter]:
    """The options of a question: its own, then those that all questions have."""
    return [*parameters_of(question), *parameters_of(Selection)]


def answer_to(site: Site, question: Callable[..., Question], query: Iterable[tuple[str, str]]) -> Answer:
    """Answer a question with the options of a query string.

    Raises:
        ConfigurationError: an option is invalid.
        AdvertiseXError: the question cannot be answered.
    """
    options = options_from(query, parameters_of_question(question))
    own = {one.name: options.pop(one.name) for one in parameters_of(question)}
    selection: Any = Selection(**options)
    inquiry = Inquiry.of(question(**own), selection, site.settings.analysis)
    with site.store() as store:
        return inquiry.answer(store)
