"""A call that may wait long for a server, and that an interrupt ends."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Event, Thread
from typing import TypeVar

#: Seconds that a call under way has left after an interrupt: a server that works on it answers in these.
GRACE = 3.0

_LOOK_SECONDS = 0.1
T = TypeVar("T")


class GivenUp(Exception):
    """The interrupt came, and the answer did not."""


def interruptible(call: Callable[[], T], interrupted: Event) -> T:
    """Make a call; after an interrupt it has `GRACE` seconds left.

    It is made in a thread of its own, which is left behind when it is given up: a look-up of a name, a connection
    that is being made, a handshake and an answer that does not come can all be abandoned, but none can be ended.

    Raises:
        GivenUp: it was interrupted, and not done in time.
    """
    result: Future[T] = Future()

    def make() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised again where the call is waited for
            result.set_exception(error)

    Thread(target=make, name="call", daemon=True).start()  # a daemon, so that the end of the process does not wait
    while not wait([result], _LOOK_SECONDS).done and not interrupted.is_set():
        pass
    if not wait([result], GRACE).done:
        raise GivenUp
    return result.result()
