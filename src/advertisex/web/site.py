"""What the dashboard and the API serve."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from advertisex.errors import LogMissing
from advertisex.inspection.place import Place
from advertisex.logs.contract import EventLog
from advertisex.stores.contract import EventStore
from advertisex.web.uploads import Uploads


@dataclass(frozen=True, slots=True)
class Site(Place):
    """Where a request reads: the log and the store are opened for one request, for queries only.

    Attributes:
        uploads: the files that clients have uploaded.
        marks: opens the store to mark rejects, also while another process has it open.
        collecting: the log that the collector appends to; None if it is not enabled.
    """

    uploads: Uploads
    marks: Callable[[], AbstractContextManager[EventStore]]
    collecting: EventLog | None = None


@contextmanager
def log_of(site: Site) -> Iterator[EventLog | None]:
    """Open the log of a site for questions that can do without it; None if there is none."""
    with ExitStack() as stack:
        try:
            log = stack.enter_context(site.log())
        except LogMissing:
            log = None
        yield log
