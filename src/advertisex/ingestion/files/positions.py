"""How far the files of a source have been read; kept in the log, so that it survives a restart."""

import os
from collections import defaultdict
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import msgspec
import xxhash

from advertisex.ingestion.files.fingerprint import WINDOW, Fingerprint, Prefix, digest, head_of, prefix_in
from advertisex.ingestion.records import Resume
from advertisex.ingestion.sources import Files

#: Digests of messages that a position keeps.
_DIGESTS = 256


class FilePosition(msgspec.Struct, frozen=True, array_like=True):
    """How far a file has been read: the messages of its first bytes are in the log.

    Attributes:
        read: fingerprint of these bytes.
        path: last name of the file.
        modified: its modification time, in nanoseconds.
        messages: number of messages that were read from these bytes.
        resume: where to continue, at or before the end of these bytes; None for the start of the file.
        sent: number of messages from there on that are in the log.
        last_digests: digests of the last of these messages. Where they differ from what is read now, a row was
            incomplete then.
        complete: whether all messages of these bytes are in the log.
        ended: whether it was reported that the rest of the file is gone.
    """

    read: Fingerprint = Prefix().fingerprint()
    path: str = ""
    modified: int = 0
    messages: int = 0
    resume: Resume | None = None
    sent: int = 0
    last_digests: tuple[bytes, ...] = ()
    complete: bool = True
    ended: bool = False

    @property
    def taken(self) -> bool:
        """Whether something was read from the file itself; otherwise it is empty, or known from another one."""
        return self.resume is not None or self.sent > 0

    @property
    def start(self) -> int:
        """Bytes before the place where to continue."""
        return 0 if self.resume is None else self.resume.position


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FilePosition).decode


def address_of(source: Files) -> str:
    """Return the address of a source: its name, from the root of the file system."""
    return os.path.abspath(source.name)  # noqa: PTH100 - resolves no links


def new_key(prefix: str) -> str:
    """Return the key of another file."""
    return f"{prefix}{uuid4().hex[:16]}"


def load(state: Mapping[str, bytes]) -> dict[str, FilePosition]:
    """Return the positions in a log's state, by key."""
    return {key: _decode(value) for key, value in state.items()}


def dump(position: FilePosition) -> bytes:
    """Return a position as bytes."""
    return _encode(position)


def last_digests_of(earlier: tuple[bytes, ...], messages: list[bytes]) -> tuple[bytes, ...]:
    """Return the digests of the last messages, after those of earlier ones."""
    new = tuple(map(xxhash.xxh3_64_digest, messages[-_DIGESTS:]))
    return (earlier + new)[-_DIGESTS:]


class Match(NamedTuple):
    """A known position in a file.

    Attributes:
        key: its key.
        position: the position.
        prefix: the bytes before the place where to continue.
    """

    key: str
    position: FilePosition
    prefix: Prefix


class Known:
    """Known positions, found by the first bytes of a file."""

    def __init__(self, positions: Mapping[str, FilePosition]) -> None:
        self._positions: dict[str, FilePosition] = {}
        self._by_head: dict[int, dict[bytes, set[str]]] = defaultdict(lambda: defaultdict(set))
        for key, position in positions.items():
            self.add(key, position)

    def add(self, key: str, position: FilePosition) -> None:
        """Add a position, or replace it by a later one."""
        self._positions[key] = position
        if position.read.size:
            self._by_head[min(WINDOW, position.read.size)][position.read.head].add(key)

    def longest_in(self, file: FileIO, path: Path, *, beyond: int = 0) -> Match | None:
        """Return the longest of the positions that a file contains, if possible that of the same path.

        Args:
            file: the open file.
            path: its path.
            beyond: size that must be exceeded.
        """
        head = head_of(file)
        found: set[tuple[int, bool, str]] = set()
        for width, keys in self._by_head.items():
            if width <= len(head):
                for key in keys.get(digest(head[:width]), ()):
                    position = self._positions[key]
                    found.add((position.read.size, position.path == str(path), key))
        for size, _, key in sorted(found, reverse=True):
            position = self._positions[key]
            if size > beyond and (prefix := prefix_in(file, position.read, position.start)):
                return Match(key, position, prefix)
        return None
