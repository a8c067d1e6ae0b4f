"""What every followed source has in common."""

from collections.abc import Iterator
from typing import Protocol

from advertisex.errors import SourceError
from advertisex.ingestion.records import Input


class Followed(Protocol):
    """A source that is polled repeatedly.

    Attributes:
        name: name of the source.
        due: when to poll next, in seconds of the monotonic clock; None once the source is exhausted.
    """

    name: str
    due: float | None

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
