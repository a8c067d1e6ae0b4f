"""What the dashboard and the API serve."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from advertisex.errors import LogMissing
from advertisex.inspection.place import Place
from advertisex.logs.contract import EventLog
from advertisex.model import Partition
from advertisex.settings.feeds import configured_feeds
from advertisex.stores.contract import EventStore
from advertisex.web.kept import Kept
from advertisex.web.uploads import Uploads


@dataclass(frozen=True, slots=True)
class Site(Place):
    """Where a request reads: the log and the store are opened for one request, for queries only.

    Attributes:
        uploads: the files that clients have uploaded.
        marks: opens the store to mark rejects, also while another process has it open.
        collecting: the log that the collector appends to; None if it is not enabled.
        kept: answers that need not be computed again.
    """

    uploads: Uploads
    marks: Callable[[], AbstractContextManager[EventStore]]
    collecting: EventLog | None = None
    kept: Kept = field(default_factory=Kept)


@contextmanager
def log_of(site: Site) -> Iterator[EventLog | None]:
    """Open the log of a site for questions that can do without it; None if there is none."""
    with ExitStack() as stack:
        try:
            log = stack.enter_context(site.log())
        except LogMissing:
            log = None
        yield log


def ends_of(site: Site, log: EventLog | None) -> tuple[tuple[Partition, int], ...]:
    """The end offsets of the feeds' partitions; none without a log."""
    topics = [feed.topic for feed in configured_feeds(site.settings).values()]
    return () if log is None else tuple(log.end_offsets(topics).items())
