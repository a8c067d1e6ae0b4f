"""Bounds what requests hold in memory, from the first byte of their body until the log has their messages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from advertisex.limits import Limit
from advertisex.web.collector.not_accepted import NotAccepted

#: Fewer than `guard.MOST_REQUESTS`: the dashboard responds while the log is behind.
MOST_WAITING = Limit(48, "requests", of="the collector that wait for the event log", beyond="answered with status 429")
MOST_HELD = Limit(
    128 * 2**20, "bytes", of="the requests that wait for the event log", beyond="answered with status 429"
)


class Room:
    """Counts requests and their bytes. It is used by the event loop only, so it needs no lock."""

    def __init__(self) -> None:
        self._requests = self._bytes = 0

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """Count a request while the block runs; yield what adds to its bytes.

        Raises:
            NotAccepted: too much waits; also raised by what is yielded.
        """
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if self._bytes + size > MOST_HELD:
                raise _behind()
            held += size
            self._bytes += size

        if self._requests >= MOST_WAITING:
            raise _behind()
        self._requests += 1
        try:
            yield hold
        finally:
            self._requests -= 1
            self._bytes -= held


def _behind() -> NotAccepted:
    return NotAccepted(
        HTTPStatus.TOO_MANY_REQUESTS, "the event log is behind: too many events wait for it", "send them again later"
    )
