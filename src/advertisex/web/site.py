"""What the dashboard and the API serve."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from advertisex.errors import LogMissing
from advertisex.logs.contract import EventLog
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore
from advertisex.web.uploads import Uploads

#: Opens the store for one request, for queries only.
OpenStore = Callable[[], AbstractContextManager[EventStore]]

#: Opens the log for one request, to read it. Raises LogMissing if there is none.
OpenLog = Callable[[], AbstractContextManager[EventLog]]


@dataclass(frozen=True, slots=True)
class Site:
    """The settings, and the store that questions are asked of.

    Attributes:
        settings: the settings.
        store: opens the store for one request.
        log: opens the log for one request.
        uploads: the files that clients have uploaded.
    """

    settings: Settings
    store: OpenStore
    log: OpenLog
    uploads: Uploads


@contextmanager
def log_of(site: Site) -> Iterator[EventLog | None]:
    """Open the log of a site for questions that can do without it; None if there is none."""
    with ExitStack() as stack:
        try:
            log = stack.enter_context(site.log())
        except LogMissing:
            log = None
        yield log
