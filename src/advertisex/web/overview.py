"""The question of the first page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from advertisex.questions.overview import SUMMARY, overview_of
from advertisex.web.kept import Bound
from advertisex.web.site import Site, ends_of, log_of

__all__ = ["SUMMARY", "bound"]


@contextmanager
def bound(site: Site, own: dict[str, Any]) -> Iterator[Bound]:
    """Bind the question to the settings and the log; it has no options of its own."""
    with log_of(site) as log:
        yield Bound(overview_of(site.settings, log), ends_of(site, log))
