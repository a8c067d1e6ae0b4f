"""Waits at the start for a server that does not respond, as a running process waits for it."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

import structlog

from advertisex.errors import LogUnavailable, StoreUnavailable
from advertisex.stores.interruptible import GivenUp, interruptible

_LOG = structlog.get_logger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_WARN_EVERY = 60.0
T = TypeVar("T")


def when_available(call: Callable[[], T], stop: Event, probe: Callable[[], object] = lambda: None) -> T | None:
    """Make a call, and repeat it while the server of the log or the store does not respond.

    Args:
        call: the call.
        stop: when set, the wait ends.
        probe: called before it, in a thread that is abandoned if `stop` is set and the server does not respond.

    Returns:
        Its result; None if `stop` was set first.
    """
    pause, warned = _FIRST_PAUSE, float("-inf")
    while not stop.is_set():
        try:
            interruptible(probe, stop)
            return call()
        except GivenUp:
            break
        except (LogUnavailable, StoreUnavailable) as error:
            if time.monotonic() > warned + _WARN_EVERY:
                warned = time.monotonic()
                _LOG.warning("waiting for a server; nothing is lost", error=str(error))
        stop.wait(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return None
