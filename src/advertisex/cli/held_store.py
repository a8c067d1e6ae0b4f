"""Uses an embedded store through the process that has it open for writing, and lets others use this one's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import structlog

from advertisex.errors import ConfigurationError, StoreBusy
from advertisex.extras import extra
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore
from advertisex.stores.held.place import found_at, socket_of

_LOG = structlog.get_logger(__name__)


def is_held(settings: Settings) -> bool:
    """Whether a process has the store open for as long as it runs, and answers for it."""
    path = socket_of(settings.store_url)
    return path is not None and found_at(path) is not None


def use_through_its_process(settings: Settings, busy: StoreBusy) -> EventStore:
    """Return the store as the process that has it open gives it.

    Args:
        settings: the settings.
        busy: why the store could not be opened.

    Raises:
        StoreBusy: that process does not answer for it.
    """
    from advertisex.stores.held.store import HeldStore  # noqa: PLC0415 - httpx is slow to import

    path = socket_of(settings.store_url)
    place = None if path is None else found_at(path)
    if path is not None and place is not None:
        return cast("EventStore", HeldStore(path.with_suffix(""), place))
    raise StoreBusy(
        busy.what,
        where=busy.where,
        hint=f"{busy.hint}; `run` and `process --follow` let others use it meanwhile, if they have the extra 'web'",
    ) from busy


@contextmanager
def readable_meanwhile(settings: Settings, store: EventStore) -> Iterator[None]:
    """Let other processes use an embedded store that this one has open, while the block runs."""
    path = socket_of(settings.store_url)
    try:
        with extra("web", "other processes that read the store meanwhile"):
            from advertisex.web.held import readable_by_others  # noqa: PLC0415 - an extra
    except ConfigurationError as error:
        _LOG.debug("other processes cannot read the store meanwhile", why=str(error))
        yield
        return
    if path is None:
        yield
        return
    with readable_by_others(store, path):
        yield
