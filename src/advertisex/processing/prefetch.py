"""Prefetches from an iterator in a background thread."""

import sys
from collections.abc import Generator
from contextlib import closing
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield the items of `items` in order, producing the next one in a thread while the current one is in use.

    At most one item is buffered, so memory is bounded. An error in `items` is raised here, after the items before
    it. Closing this generator closes `items` and stops the thread.
    """
    waiting: Queue[tuple[bool, T | BaseException | None]] = Queue(maxsize=1)
    closed = Event()

    def produce() -> None:
        end: BaseException | None = None
        try:
            with closing(items):
                for item in items:
                    waiting.put((True, item))
                    if closed.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - raised again in the consuming thread
            end = error
        except:  # noqa: E722 - Kafka's client can raise an object that is not an exception
            kind = sys.exc_info()[0]
            end = RuntimeError(f"prefetch aborted by {kind.__name__ if kind else 'an object'}")
        finally:  # never leave the consumer waiting
            waiting.put((False, end))

    thread = Thread(target=produce, name="prefetch", daemon=True)
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
        while thread.is_alive():  # it may be blocked on the full queue
            while not waiting.empty():
                waiting.get_nowait()
            thread.join(timeout=0.05)
