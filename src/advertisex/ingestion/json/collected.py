"""What a reader of JSON has collected: messages on their way into a chunk, skipped values, and failures."""

from collections.abc import Sequence

from advertisex.codecs.unreadable import Unreadable, wrap
from advertisex.errors import SourceError
from advertisex.ingestion.records import MESSAGE_BYTES, Chunk, Reading, Record, Resume, too_long

_CHUNK_RECORDS = 5_000
_CHUNK_COPIED = 4 * 2**20


class Collected:
    """Collects messages, and counts them in the reading.

    Args:
        reading: what is found in the input.
        name: name of the input in errors.
    """

    def __init__(self, reading: Reading, name: str) -> None:
        self._reading, self._name = reading, name
        self._records: list[Record] = []
        self._lines: list[Sequence[int]] = []
        self._failure: tuple[str, int, str] | None = None
        self._failures = 0
        self._copied = 0

    def __bool__(self) -> bool:
        return bool(self._records)

    @property
    def is_full(self) -> bool:
        """Whether there is enough for a chunk."""
        return len(self._records) >= _CHUNK_RECORDS or self._copied >= _CHUNK_COPIED

    def add_copies(self, values: Sequence[bytes], lines: Sequence[int]) -> None:
        """Add messages that are not slices of the text, so that they need memory of their own."""
        self._copied += sum(map(len, values))
        self.add(values, lines)

    def add(self, values: Sequence[bytes], lines: Sequence[int]) -> None:
        """Add messages, or the beginning of one that is too large."""
        if len(values) == 1 and len(values[0]) > MESSAGE_BYTES:
            self.add_long(values[0], len(values[0]), lines[0])
            return
        if values:
            self._records.extend(values)
            self._lines.append(lines)

    def add_fragment(self, fragment: bytes, line: int, detail: str) -> None:
        """Add text that is not a record, in the frame of unreadable input."""
        self.add([wrap(Unreadable("not_a_record", detail, fragment))], [line])

    def add_long(self, beginning: bytes, size: int, line: int) -> None:
        """Add the beginning of a value that is too large for a message."""
        self._reading.warn_of_long(line)
        self.add([too_long(beginning, size, f"line {line}")], [line])

    def chunk(self, resume: Resume | None) -> Chunk:
        """Return what was collected as a chunk."""
        parts = self._lines
        lines = parts[0] if len(parts) == 1 else [line for part in parts for line in part]
        chunk = Chunk(self._records, lines, resume)
        self._reading.rows += len(self._records)
        self._records, self._lines, self._copied = [], [], 0
        return chunk

    def skip(self, reason: str) -> None:
        """Count a value that is not a message."""
        self._reading.rows += 1
        self._reading.skipped[reason] += 1

    def fail(self, what: str, line: int, hint: str) -> None:
        """Note a failure, to be raised when everything was read. Only the first one is kept."""
        self._failures += 1
        self._failure = self._failure or (what, line, hint)

    def raise_failure(self) -> None:
        """Raise the first failure, if there was one, with the number of the others.

        Raises:
            SourceError: there was a failure.
        """
        if self._failure is not None:
            what, line, hint = self._failure
            more = f", the first of {self._failures:,} errors" if self._failures > 1 else ""
            raise SourceError(what + more, where=f"{self._name}:{line}", hint=hint)
