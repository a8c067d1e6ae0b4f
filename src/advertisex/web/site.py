"""What the dashboard and the API serve."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore

#: Opens the store for one request, for queries only.
OpenStore = Callable[[], AbstractContextManager[EventStore]]


@dataclass(frozen=True, slots=True)
class Site:
    """The settings, and the store that questions are asked of.

    Attributes:
        settings: the settings.
        store: opens the store for one request.
    """

    settings: Settings
    store: OpenStore
