"""Graceful shutdown of long-running commands."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import NoReturn


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM interrupted the command; its argument is the number of the signal.

    Not `KeyboardInterrupt` itself: where that passes through `exec`, for example of a dataclass that is being made,
    Python ends itself by SIGINT although it was caught.
    """


_interrupted = False


def interrupt(number: int) -> NoReturn:
    """Raise `Interrupted`, and remember it: a library may wrap the exception in its own."""
    global _interrupted  # noqa: PLW0603 - a signal belongs to the process
    _interrupted = True
    raise Interrupted(number)


def was_interrupted() -> bool:
    """Whether a signal has interrupted the command."""
    return _interrupted


def forget_interrupts() -> None:
    """Begin a command that nothing has interrupted yet."""
    global _interrupted  # noqa: PLW0603
    _interrupted = False


class Interruption(BaseException):
    """Carries an interrupt through typer, which would exit without a word."""


@contextmanager
def stop_on_signals(on_stop: Callable[[], None] = lambda: None) -> Iterator[Event]:
    """Yield an event that SIGINT or SIGTERM sets; a second signal does not wait for the current commit."""
    stop = Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            interrupt(number)
        stop.set()
        on_stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
