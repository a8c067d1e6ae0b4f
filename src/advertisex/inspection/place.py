"""Where the reading commands read."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from advertisex.logs.contract import EventLog
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read.

    Attributes:
        settings: the settings.
        store: opens the store, for queries only.
        log: opens the log, which is not created if it is missing.
    """

    settings: Settings
    store: Callable[[], AbstractContextManager[EventStore]]
    log: Callable[[], AbstractContextManager[EventLog]]
