"""Periodic tasks that run in a background thread."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import structlog

from advertisex.errors import AdvertiseXError

_LOG = structlog.get_logger(__name__)
_JOIN_SECONDS = 60.0


@contextmanager
def periodic(
    task: str,
    seconds: float,
    tick: Callable[[], None],
    on_failure: Callable[[], None],
    at_end: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Run a task immediately and then periodically, in a background thread, until the block exits.

    A failure is logged as a warning, unless it repeats the previous one; the task continues.

    Args:
        task: description of the task for log messages, as a verb phrase.
        seconds: time between the starts of two runs.
        tick: the task.
        on_failure: called after each failure.
        at_end: called last, in the same thread.
    """
    ended = Event()

    def attempt(do: Callable[[], None], reported: str) -> str:
        """Run it, and return its error to avoid logging the same error again; empty if there is none."""
        try:
            do()
        except AdvertiseXError as error:
            on_failure()
            if str(error) != reported and not ended.is_set():
                _LOG.warning(f"could not {task}; will retry", error=str(error))
            return str(error)
        except BaseException as error:  # noqa: BLE001 - keeps running, even if Polars panics
            on_failure()
            _LOG.error(f"could not {task}; please report this bug", error=type(error).__name__)
        return ""

    def run() -> None:
        reported = ""
        while not ended.is_set():
            began = time.monotonic()
            reported = attempt(tick, reported)
            ended.wait(max(0.0, began + seconds - time.monotonic()))
        attempt(at_end, reported)

    thread = Thread(target=run, name=task, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_JOIN_SECONDS)  # the caller closes what the task uses
