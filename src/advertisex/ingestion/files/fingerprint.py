"""Recognise a file by the bytes at its beginning, whatever its name."""

from io import FileIO
from typing import NamedTuple

import xxhash

from advertisex.ingestion.stream import BLOCK

#: Bytes at the start and at the end of a prefix that are compared first.
WINDOW = 1024


class Fingerprint(NamedTuple):
    """What identifies the first bytes of a file.

    Attributes:
        size: number of bytes.
        digest: hash of all of them.
        head: hash of the first `WINDOW` of them.
        last: hash of the last `WINDOW` of them.
    """

    size: int
    digest: bytes
    head: bytes
    last: bytes


class Prefix:
    """The first bytes of a file, hashed as they are read."""

    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        self._last = b""
        self._hash = xxhash.xxh3_128()

    def add(self, data: bytes) -> None:
        """Add the next bytes."""
        self.size += len(data)
        self._hash.update(data)
        if len(self.head) < WINDOW:
            self.head += data[: WINDOW - len(self.head)]
        self._last = data[-WINDOW:] if len(data) >= WINDOW else (self._last + data)[-WINDOW:]

    def extended(self, file: FileIO, size: int) -> "Prefix":
        """Return a copy that continues with the bytes of a file up to this size, or to its end."""
        longer = Prefix()
        longer.size, longer.head, longer._last, longer._hash = self.size, self.head, self._last, self._hash.copy()
        file.seek(self.size)
        while longer.size < size and (data := file.read(min(BLOCK, size - longer.size))):
            longer.add(data)
        return longer

    def fingerprint(self) -> Fingerprint:
        """Return the fingerprint of the bytes so far."""
        return Fingerprint(self.size, self._hash.digest(), digest(self.head), digest(self._last))


def is_in(file: FileIO, known: Fingerprint) -> bool:
    """Whether a file seems to have a known prefix, by its first and its last bytes."""
    width = min(WINDOW, known.size)
    first, last = _read(file, 0, width), _read(file, known.size - width, width)
    return digest(first) == known.head and digest(last) == known.last


def prefix_in(file: FileIO, known: Fingerprint, size: int) -> Prefix | None:
    """Return the first `size` bytes of a file if it has the known prefix, which is not shorter; None otherwise."""
    if not is_in(file, known):
        return None
    part = Prefix().extended(file, size)
    return part if part.extended(file, known.size).fingerprint() == known else None


def head_of(file: FileIO) -> bytes:
    """Return the first `WINDOW` bytes of a file."""
    return _read(file, 0, WINDOW)


def _read(file: FileIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def digest(data: bytes) -> bytes:
    """Return the hash of some bytes."""
    return xxhash.xxh3_128_digest(data)
