"""Something that is done every so often beside the flow of events, and never holds it up."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import structlog

from advertisex.errors import AdvertiseXError

_LOG = structlog.get_logger(__name__)
_END_SECONDS = 5.0


@contextmanager
def ticking(what: str, seconds: float, tick: Callable[[], None], on_failure: Callable[[], None]) -> Iterator[None]:
    """Do something at once, and then every so many seconds, in a thread, as long as the block runs.

    A failure is a warning in the log, once as long as it stays the same, and it is tried again.

    Args:
        what: is done, for people.
        seconds: from the beginning of one to that of the next.
        tick: does it.
        on_failure: called after each failure.
    """
    ended = Event()

    def run() -> None:
        last = ""
        while True:
            began = time.monotonic()
            try:
                tick()
                last = ""
            except AdvertiseXError as error:
                on_failure()
                if str(error) != last and not ended.is_set():
                    _LOG.warning(f"cannot {what}, and try again", error=str(error))
                last = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline goes on, and so does the watching
                on_failure()
                _LOG.error(f"cannot {what}: report this", error=type(error).__name__)
            if ended.wait(max(0.0, began + seconds - time.monotonic())):
                return

    thread = Thread(target=run, name=what, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_END_SECONDS)  # it may be waiting for a server that is away
