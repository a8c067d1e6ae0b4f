"""Interrupt calls that block on a server."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Event, Thread
from typing import TypeVar

#: Default time in seconds that a call has left after an interrupt: enough for a healthy server to respond.
GRACE = 3.0

_POLL_SECONDS = 0.1
T = TypeVar("T")


class GivenUp(Exception):
    """The call was interrupted and did not finish in time."""


def interruptible(call: Callable[[], T], interrupted: Event, grace: float = GRACE) -> T:
    """Make a call; after an interrupt it has `grace` seconds left.

    The call runs in a separate thread, which is abandoned if it does not finish: a DNS lookup, a connect, a TLS
    handshake and a missing response cannot be cancelled.

    Raises:
        GivenUp: the call was interrupted and did not finish in time.
    """
    result: Future[T] = Future()

    def make() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - re-raised in the calling thread
            result.set_exception(error)

    Thread(target=make, name="call", daemon=True).start()  # a daemon, so that the process can exit without it
    while not wait([result], _POLL_SECONDS).done and not interrupted.is_set():
        pass
    if not wait([result], grace).done:
        raise GivenUp
    return result.result()
