"""The question of the first page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from advertisex.questions.asking import Question
from advertisex.questions.overview import SUMMARY, overview_of
from advertisex.web.site import Site, log_of

__all__ = ["SUMMARY", "bound"]


@contextmanager
def bound(site: Site, own: dict[str, Any]) -> Iterator[Question]:
    """Bind the question to the settings and the log; it has no options of its own."""
    with log_of(site) as log:
        yield overview_of(site.settings, log)
