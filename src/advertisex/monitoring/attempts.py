"""One attempt to deliver a notice, with a total deadline whatever the other side does.

The timeouts of network libraries apply to single reads, so a server that sends a byte every second keeps a caller
forever; a name server may not answer at all. An attempt therefore has a thread of its own, which is abandoned at the
deadline: nothing waits for it, not even the exit of the process.
"""

import ctypes
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread


class NotSent(Exception):
    """A channel did not accept a notice; why, in words for the user."""


class NoResponse(NotSent):
    """A channel did not respond within the deadline. It may have received the notice nevertheless."""


class Attempt:
    """Runs a function in a thread.

    Args:
        do: delivers the notice.
    """

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self._ended = SimpleQueue[BaseException | None]()
        self._thread = Thread(target=self._run, name="alert attempt", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether its thread is still alive."""
        return self._thread.is_alive()

    def finish(self, seconds: float) -> None:
        """Wait for the end, and abandon the attempt if it does not end in time.

        Raises:
            NoResponse: it has not ended in time.
            BaseException: what the function raised.
        """
        try:
            error = self._ended.get(timeout=max(0.0, seconds))
        except Empty:
            self._abandon()
            raise NoResponse from None
        if error is not None:
            raise error

    def _run(self) -> None:
        error = None
        try:
            self._do()
        except SystemExit:
            return  # abandoned: its frames hold what it has received
        except BaseException as raised:  # noqa: BLE001 - raised again by `finish`
            error = raised
        self._ended.put(error)

    def _abandon(self) -> None:
        """Raise SystemExit in the thread: it ends at its next step, so an endless response does not fill the memory."""
        if self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), ctypes.py_object(SystemExit))
