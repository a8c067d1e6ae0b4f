"""What all sources that are polled have in common."""

import time
from collections.abc import Iterator
from typing import Protocol

from advertisex.errors import SourceError
from advertisex.ingestion.records import Input
from advertisex.ingestion.source_status import Kind


class PolledSource(Protocol):
    """A source that is polled, once or repeatedly.

    Attributes:
        name: name of the source.
        due: when to poll next, in seconds of the monotonic clock; None once the source is exhausted.
        id: identifies it in the log's state; empty for a source whose status is not kept.
        kind: what it is.
        address: its address without secrets.
    """

    name: str
    due: float | None
    id: str = ""
    kind: Kind = "files"
    address: str = ""

    @property
    def pages(self) -> int:
        """Number of responses or objects that were read to their end."""
        return 0

    @property
    def position(self) -> str:
        """How far it has been read, in words."""
        return ""

    @property
    def has_put_off(self) -> bool:
        """Whether something that failed in an earlier poll was left for a later one."""
        return False

    def poll(self) -> Iterator[Input]:
        """Yield each input with its records since the last poll.

        Raises:
            SourceError: the inputs could not be found.
        """
        ...

    def failed(self, error: SourceError) -> None:
        """Note a failure of the last poll, which may set when the next one is due."""
        return

    def close(self) -> None:
        """Release what is held between polls."""
        return


class Once(PolledSource):
    """A source that is read as a whole, once: standard input, or files of the command line without `follow`.

    Args:
        name: name of the source.
        inputs: yields its inputs.
    """

    def __init__(self, name: str, inputs: Iterator[Input]) -> None:
        self.name, self._inputs = name, inputs
        self.due: float | None = time.monotonic()

    def poll(self) -> Iterator[Input]:
        self.due = None
        yield from self._inputs
