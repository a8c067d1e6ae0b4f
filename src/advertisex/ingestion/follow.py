"""Read sources: poll APIs and object stores, scan folders and globs, tail growing files.

One thread polls the sources in turn, so a poll never sleeps. Each source sets when its next poll is due.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from heapq import heapify, heappop, heappush
from threading import Event

import structlog

from advertisex.ingestion.kinds import polled
from advertisex.ingestion.polling import Poller, Run
from advertisex.ingestion.sources import Source

_LOG = structlog.get_logger(__name__)
#: How often a wait checks whether it should stop, in seconds.
_POLL_SECONDS = 0.1


class Interruptible(Event):
    """An event whose `wait` a signal handler may end with an exception.

    In `Event.wait`, such an exception can come while the event's own lock is released, which breaks the lock.
    """

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set, at most `timeout` seconds. Return whether it is set."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _POLL_SECONDS if end is None else min(_POLL_SECONDS, end - time.monotonic())
            if left <= 0:
                break
            time.sleep(left)
        return self.is_set()


def read_sources(sources: Sequence[Source], run: Run, stop: Event) -> None:
    """Publish what the sources yield, until all are exhausted, `stop` is set, or the process is interrupted.

    With `follow`, a source is polled again, also if it failed; otherwise each is polled once, in order.

    Raises:
        LogError: the log could not be written.
        ConfigurationError: a URL or a header is invalid.
    """
    options = run.options
    with ExitStack() as stack:
        pollers = [Poller(polled(source, run.feed, options, run.log, run.on_read), run) for source in sources]
        for poller in pollers:
            stack.callback(poller.close)
        waiting = [(poller.source.due, number) for number, poller in enumerate(pollers)]
        heapify(waiting)
        while waiting:
            due, number = heappop(waiting)
            if due is None or stop.wait(max(0.0, due - time.monotonic())):
                return
            poller = pollers[number]
            poller.poll(stop)
            if not options.follow:
                continue
            if poller.source.due is not None:
                heappush(waiting, (poller.source.due, number))
            log_new_types(run)


def log_new_types(run: Run) -> None:
    """Log the conversion types that are new to the log since the last call.

    Raises:
        LogError: the log could not be read or written.
    """
    if new := run.inspection.remember_types(run.log):
        _LOG.warning("new conversion types", feed=run.feed.name, types=new)
