"""A named byte stream with peeking and transparent decompression."""

import gzip
import io
import lzma
import os
import re
import select
import shutil
import stat
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from advertisex.errors import SourceError
from advertisex.files.faults import fault_of
from advertisex.files.temporary import temporary_folder
from advertisex.reasons import reason_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 2**20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: A skippable frame, with which some tools begin a zstd file: its first byte is 50 to 5f.
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
#: The first bytes of a zip archive; the second ones are those of an empty archive.
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zstd.ZstdError, zipfile.BadZipFile)
#: What their messages say if a checksum does not match.
_CHECKSUM = re.compile("crc|checksum", re.IGNORECASE)
#: What `zipfile` raises for a damaged archive.
ZIP_ERRORS = (*_BROKEN, struct.error, RuntimeError, ValueError, OSError)


class Stream(io.BufferedIOBase):
    """The bytes of one input. Every failure raises a `SourceError` that names the input.

    `read` never consumes more than requested, and everything before a failure is returned.

    Args:
        source: a binary file; closed together with the stream.
        name: name of the input in errors: a path, or a URL without its password.
    """

    def __init__(self, source: Any, name: str) -> None:
        super().__init__()
        self._source = source
        # a raw file has no read1, but its read does the same: one system call
        self._pull: Callable[[int], bytes | None] = getattr(source, "read1", source.read)
        self._head = bytearray()
        self._name = name

    @property
    def name(self) -> str:
        """The name of the input."""
        return self._name

    def readable(self) -> bool:
        """Return True."""
        return True

    def peek(self, size: int) -> bytes:
        """Return at least the next `size` bytes without consuming them; fewer only at the end of the stream."""
        while len(self._head) < size:
            more = self._pulled(max(size - len(self._head), 2**16))
            if not more:
                break
            self._head += more
        # not the whole buffer, which can be large after `push_back`
        return bytes(self._head[: size + BLOCK])

    def read1(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes; empty at the end."""
        if size is None or size < 0:
            size = BLOCK
        if self._head:
            out = bytes(self._head[:size])
            del self._head[:size]
            return out
        return self._pulled(size)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer only at the end; without a size, read everything."""
        parts: list[bytes] = []
        remaining = sys.maxsize if size is None or size < 0 else size
        while remaining and (part := self.read1(min(remaining, BLOCK))):
            parts.append(part)
            remaining -= len(part)
        return b"".join(parts)

    def push_back(self, data: bytes) -> None:
        """Push bytes back to the front of the stream."""
        self._head[:0] = data

    def idle(self) -> bool:
        """Whether the next read would block, as far as the system can tell."""
        if self._head or sys.platform == "win32":
            return False
        try:
            return not select.select([self._source], [], [], 0)[0]
        except (OSError, ValueError, TypeError):  # not selectable
            return False

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """Provide the whole input as a file for a library that reads at any position.

        It is the input itself if that is a plain file, else a temporary copy. Nothing may have been read before.

        Raises:
            SourceError: the stream failed, or the copy could not be written.
        """
        if (path := self._plain_file()) is not None:
            yield path
            return
        with ExitStack() as stack:
            copy = Path(tempfile.gettempdir())
            try:
                copy = stack.enter_context(temporary_folder()) / "input"
                with copy.open("wb") as file:
                    shutil.copyfileobj(self, file, BLOCK)
            except OSError as error:
                fault = fault_of(error, copy)
                raise SourceError(
                    f"could not write a temporary copy: {fault.what}",
                    where=self._name,
                    hint=f"{fault.hint}, or set TMPDIR to a folder on another disk",
                ) from error
            yield copy

    def _plain_file(self) -> Path | None:
        source = self._source
        if not isinstance(source, io.FileIO) or not isinstance(source.name, str):
            return None
        return Path(source.name) if stat.S_ISREG(os.fstat(source.fileno()).st_mode) else None

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
                f"the compressed data {_damage(error)}",
                where=self._name,
                hint="the readable part is kept; get the file again and ingest it again (duplicates are not counted)",
            ) from error
        except OSError as error:
            raise SourceError(f"could not read the input: {reason_of(error)}", where=self._name) from error


def _damage(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "is truncated"
    return "does not match its checksum" if _CHECKSUM.search(str(error)) else "is damaged"


def decompressed(stream: Stream) -> Stream:
    """Return the stream, decompressed if its first bytes are those of gzip or zstd."""
    try:
        head = stream.peek(4)[:4]
    except SourceError:
        stream.close()
        raise
    if head.startswith(_GZIP):
        return _Archive(gzip.GzipFile(fileobj=stream), stream)
    if head.startswith(_ZSTD) or (head[1:] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):
        return _Archive(zstd.ZstdFile(stream), stream)
    return stream


class _Archive(Stream):
    """A decompressing stream, which also closes the compressed one."""

    def __init__(self, source: Any, below: Stream) -> None:
        super().__init__(source, below.name)
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


#: Called with a file that is being read, and how many of its bytes have been read.
OnRead = Callable[[Path, int], None]


def open_file(path: Path, name: str | None = None, on_read: OnRead | None = None) -> Stream:
    """Open a file, decompressed if its content is; `name` is its name in errors, by default the path.

    Raises:
        SourceError: it could not be opened, or is not a file.
    """
    name = name or str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe can be read only once, and a file is read again
            raise SourceError(
                "this is a pipe or a device, not a file", where=name, hint="give it as standard input: `- < PIPE`"
            )
        # unbuffered: Stream reads large blocks and has its own buffer
        return decompressed(Stream(_Watched(path, on_read) if on_read else path.open("rb", buffering=0), name))
    except OSError as error:
        raise SourceError(
            f"could not open the file: {reason_of(error)}",
            where=name,
            hint="check the name and the permissions",
        ) from error


def open_stdin(stdin: BinaryIO | None = None) -> Stream:
    """Open standard input, or the given stream in its place, decompressed if it is an archive. It stays open."""
    buffer = sys.stdin.buffer if stdin is None else stdin
    return decompressed(Stream(_StaysOpen(getattr(buffer, "raw", buffer)), "stdin"))


class _Watched(io.FileIO):
    """A file, of which it is reported how far it has been read."""

    def __init__(self, path: Path, on_read: OnRead) -> None:
        super().__init__(str(path))
        self._path, self._on_read, self._bytes = path, on_read, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes."""
        data = super().read(size)
        self._bytes += len(data)
        self._on_read(self._path, self._bytes)
        return data


class _StaysOpen:
    """Wraps standard input, which must stay open when the stream is closed."""

    def __init__(self, source: Any) -> None:
        self.read1 = getattr(source, "read1", source.read)
        self.read = source.read
        self.fileno = getattr(source, "fileno", None)

    def close(self) -> None:
        """Do nothing."""
