"""What every followed source has in common."""

from collections.abc import Iterator
from typing import Protocol

from advertisex.errors import SourceError
from advertisex.ingestion.records import Input
from advertisex.ingestion.source_status import Kind


class Followed(Protocol):
    """A source that is polled repeatedly.

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

    def poll(self) -> Iterator[Input]:
        """Yield each input with its records since the last poll.

        Raises:
            SourceError: the inputs could not be found.
        """
        ...

    def failed(self, error: SourceError) -> bool:
        """Record a failure of the last poll. Return whether it is new and should be reported."""
        ...

    def close(self) -> None:
        """Release what is held between polls."""
        return
