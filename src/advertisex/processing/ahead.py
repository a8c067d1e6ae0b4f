"""Run an iterator one step ahead, in a thread of its own."""

import sys
from collections.abc import Generator
from contextlib import closing
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield the items of `items` in order, making the next one while the last is in use.

    At most one item waits, so memory stays bounded. An error in `items` is raised here, after the items before
    it. Closing this generator closes `items` and ends the thread.
    """
    waiting: Queue[tuple[bool, T | BaseException | None]] = Queue(maxsize=1)
    closed = Event()

    def make() -> None:
        end: BaseException | None = None
        try:
            with closing(items):
                for item in items:
                    waiting.put((True, item))
                    if closed.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - it is raised again where the items are used
            end = error
        except:  # noqa: E722 - Kafka's client can raise what is no exception at all
            end = RuntimeError(f"work was broken off: {sys.exc_info()[1]}")
        finally:  # nobody may wait for ever
            waiting.put((False, end))

    thread = Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            more, item = waiting.get()
            if not more:
                if isinstance(item, BaseException):
                    raise item
                return
            yield item  # type: ignore[misc]
    finally:
        closed.set()
        while thread.is_alive():  # it may be waiting for room
            while not waiting.empty():
                waiting.get_nowait()
            thread.join(timeout=0.05)
