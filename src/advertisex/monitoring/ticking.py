"""Something that is done every so often beside the flow of events, and never holds it up."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import structlog

from advertisex.errors import AdvertiseXError

_LOG = structlog.get_logger(__name__)
_END_SECONDS = 60.0


@contextmanager
def periodic(
    what: str,
    seconds: float,
    tick: Callable[[], None],
    on_failure: Callable[[], None],
    at_end: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Do something at once, and then every so many seconds, in a thread, as long as the block runs.

    A failure is a warning in the log, once as long as it stays the same, and it is tried again.

    Args:
        what: is done, for people.
        seconds: from the beginning of one to that of the next.
        tick: does it.
        on_failure: called after each failure.
        at_end: done last, in the same thread.
    """
    ended = Event()

    def attempt(do: Callable[[], None], notified: str) -> str:
        """Do it; what it failed of, if it did."""
        try:
            do()
        except AdvertiseXError as error:
            on_failure()
            if str(error) != notified and not ended.is_set():
                _LOG.warning(f"cannot {what}, and try again", error=str(error))
            return str(error)
        except BaseException as error:  # noqa: BLE001 - the flow goes on, and so does the watching: Polars may panic
            on_failure()
            _LOG.error(f"cannot {what}: report this", error=type(error).__name__)
        return ""

    def run() -> None:
        notified = ""
        while not ended.is_set():
            began = time.monotonic()
            notified = attempt(tick, notified)
            ended.wait(max(0.0, began + seconds - time.monotonic()))
        attempt(at_end, notified)

    thread = Thread(target=run, name=what, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_END_SECONDS)  # what it uses is closed after it
