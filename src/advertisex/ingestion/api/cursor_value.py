"""Values of the field that orders the records of a source: numbers and times."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class CursorValue:
    """A number or a time. Values of one kind are ordered; comparing two kinds is a SourceError.

    Attributes:
        text: as the source wrote it.
    """

    text: str

    def __lt__(self, other: "CursorValue") -> bool:
        raise NotImplementedError

    def minus(self, lookback: timedelta) -> "CursorValue":
        """Return an earlier value, in the same notation. Numbers are epochs in s, ms, µs or ns, by their size.

        Raises:
            ConfigurationError: it is a number that cannot be an epoch, and the lookback is not zero.
        """
        raise NotImplementedError


def cursor_value(value: object) -> CursorValue:
    """Return the cursor of a value of a record: a whole number, an epoch, or a time such as 2026-01-05T09:00:00Z.

    Raises:
        SourceError: it is neither a number nor a time.
    """
    raise NotImplementedError
