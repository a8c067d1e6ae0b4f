"""A named stream of bytes that can be peeked into, decompressed on the way."""

import gzip
import io
import select
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from advertisex.errors import SourceError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 2**20
#: What some writers put before UTF-8.
BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)


class Stream(io.BufferedIOBase):
    """Bytes of one input, for which every failure is a `SourceError` that names it.

    It never reads further than it was asked to, and hands out all that came before a failure.

    Args:
        source: a binary file; it is closed with the stream.
        name: what to call it in errors: a path or a URL without its password.
    """

    def __init__(self, source: Any, name: str) -> None:
        super().__init__()
        self._source = source
        # a raw file has no read1, but its read is one: it returns what one system call gives
        self._pull: Callable[[int], bytes | None] = getattr(source, "read1", source.read)
        self._head = bytearray()
        self._name = name

    @property
    def name(self) -> str:
        """What the input is called."""
        return self._name

    def readable(self) -> bool:
        """Always."""
        return True

    def peek(self, size: int) -> bytes:
        """At least `size` coming bytes, fewer only where the stream ends, or some more; they stay to be read."""
        while len(self._head) < size:
            more = self._pulled(max(size - len(self._head), 2**16))
            if not more:
                break
            self._head += more
        # not all that is held: after `give_back` that may be much, and it may be peeked into often
        return bytes(self._head[: size + BLOCK])

    def read1(self, size: int | None = -1, /) -> bytes:
        """Some bytes, at most `size`; none at the end."""
        if size is None or size < 0:
            size = BLOCK
        if self._head:
            out = bytes(self._head[:size])
            del self._head[:size]
            return out
        return self._pulled(size)

    def read(self, size: int | None = -1, /) -> bytes:
        """`size` bytes, fewer only at the end; all that is left where no size is given."""
        parts: list[bytes] = []
        left = sys.maxsize if size is None or size < 0 else size
        while left and (part := self.read1(min(left, BLOCK))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def give_back(self, data: bytes) -> None:
        """Put bytes back, to be read again first."""
        self._head[:0] = data

    def idle(self) -> bool:
        """Whether the next read would wait for somebody else, as far as the system can tell."""
        if self._head or sys.platform == "win32":
            return False
        try:
            return not select.select([self._source], [], [], 0)[0]
        except (OSError, ValueError, TypeError):  # not something that can be waited for
            return False

    def close(self) -> None:
        """Close the input too."""
        if not self.closed:
            self._source.close()
        super().close()

    def _pulled(self, size: int) -> bytes:
        try:
            return self._pull(size) or b""
        except _BROKEN as error:
            raise SourceError(
                f"the archive is cut short or damaged: {error}",
                where=self._name,
                hint="what could be read is kept; fetch the file anew, then ingest it again (nothing counts twice)",
            ) from error
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror or error}", where=self._name) from error


def decompressed(stream: Stream) -> Stream:
    """The stream, or what it holds when it is a gzip or zstd archive, by its first bytes."""
    head = stream.peek(4)
    if head.startswith(_GZIP):
        return _Archive(gzip.GzipFile(fileobj=stream), stream)
    if head.startswith(_ZSTD):
        return _Archive(zstd.ZstdFile(stream), stream)
    return stream


class _Archive(Stream):
    """A decompressing stream, which closes the one below as well."""

    def __init__(self, source: Any, below: Stream) -> None:
        super().__init__(source, below.name)
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


def open_file(path: Path) -> Stream:
    """A file, decompressed when it is an archive.

    Raises:
        SourceError: it cannot be opened.
    """
    try:
        # unbuffered: Stream asks for large blocks, and decides on its own what to keep
        return decompressed(Stream(path.open("rb", buffering=0), str(path)))
    except OSError as error:
        raise SourceError(
            f"cannot be opened: {error.strerror or error}",
            where=str(path),
            hint="check the name and the rights",
        ) from error


def open_stdin() -> Stream:
    """Standard input, decompressed when it is an archive."""
    buffer = sys.stdin.buffer
    return decompressed(Stream(_Unclosed(getattr(buffer, "raw", buffer)), "stdin"))


class _Unclosed:
    """Standard input belongs to the process, so closing the stream must leave it open."""

    def __init__(self, source: Any) -> None:
        self.read1 = getattr(source, "read1", source.read)
        self.read = source.read
        self.fileno = getattr(source, "fileno", None)

    def close(self) -> None:
        """Leave it open."""
