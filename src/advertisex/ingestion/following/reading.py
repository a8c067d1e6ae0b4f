"""Read a followed file from its position on, and keep the position with the messages."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.following.fingerprint import Prefix
from advertisex.ingestion.following.positions import FilePosition, dump, tail_of
from advertisex.ingestion.formats import detect_format
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.read import inputs_of, reader_of
from advertisex.ingestion.records import Bookmark, Chunk, Input, Reader, Reading, Resume
from advertisex.ingestion.stream import Stream, decompressed

#: Formats that may be read while the file grows.
_CONTINUED = frozenset({"csv", "ndjson", "json", "avro"})

#: Device and inode.
Inode = tuple[int, int]
#: Size, and modification time in nanoseconds.
Version = tuple[int, int]


@dataclass(slots=True, eq=False)
class FollowedFile:
    """A file that is followed.

    Attributes:
        key: key of its position in the log's state.
        path: its last name.
        inode: device and inode.
        position: how far it has been read.
        prefix: the bytes before the place where to continue.
        version: size and modification time (ns) when it was last looked at.
        settled: version that was last read to its end; None if it has changed since.
        quiet: number of times that it was looked at and had not changed.
        unchecked: whether it has grown since it was compared as a whole with what was read.
        check_at: when to compare it so again, in seconds of the monotonic clock.
        listed: whether the source contains it; False once it was renamed or deleted.
        opened: the open file, which can be read even if it was renamed or deleted; None while it is closed.
    """

    key: str
    path: Path
    inode: Inode
    position: FilePosition = field(default_factory=FilePosition)
    prefix: Prefix = field(default_factory=Prefix)
    version: Version | None = None
    settled: Version | None = None
    quiet: int = 0
    unchecked: bool = False
    check_at: float = 0.0
    listed: bool = True
    opened: FileIO | None = None


class Tail(Bookmark):
    """One reading of a file: from where its last one ended.

    While a file grows, its complete rows are read if its format can be continued. Once it has settled, the rest is
    read: an incomplete last row, or the whole file in any other format. The messages of that are counted from the place
    where to continue, so that a later reading leaves them out.

    Args:
        file: the file; its position advances.
        opened: the open file.
        feed: feed of its records.
        options: how to read it.
        pending: changes of the state, to be written with the next messages.
        settled: whether the file has stopped growing.
    """

    def __init__(
        self,
        file: FollowedFile,
        opened: FileIO,
        feed: Feed,
        options: IngestOptions,
        pending: dict[str, bytes | None],
        *,
        settled: bool,
    ) -> None:
        self._file, self._opened, self._feed, self._options = file, opened, feed, options
        self._pending, self._settled = pending, settled
        self._known, self._tail = file.position.sent, file.position.tail
        self._seen, self._seen_tail = 0, tuple[bytes, ...]()
        self._changed = False

    def inputs(self) -> Iterator[Input]:
        """Yield what is to be read: the file, or the members of an archive. Each is read before the next is requested.

        Raises:
            OSError: the file could not be read.
        """
        name, file, before = str(self._file.path), self._file, self._file.position
        if not self._settled:
            yield Input(name, _Growing(self._stream(), self._feed, self._options, before.resume), self)
            return
        assert file.version is not None
        file.settled = file.version
        read = file.prefix.extended(self._opened, file.version[0]).fingerprint()
        if read == before.read and before.complete:
            return
        file.position = replace(before, read=read, complete=False)
        complete = True
        for one in self._rest(read.size):
            part = _Part(one.reader)
            yield Input(one.name, part, self)
            complete = complete and part.ended
        if complete:
            file.position = replace(file.position, complete=True)
            self._changed = True
            yield Input(name, Nothing(), self)

    def advance(self, chunk: Chunk, messages: list[bytes]) -> list[bytes]:
        skipped = self._skipped(messages)
        self._known -= skipped
        self._seen += len(messages)
        self._seen_tail = tail_of(self._seen_tail, messages)
        file = self._file
        before = replace(file.position, messages=file.position.messages + len(messages) - skipped)
        if self._settled or chunk.resume is None:
            file.position = replace(before, **self._sent(), complete=False)
        else:
            self._bytes.pass_on(chunk.resume.position - file.prefix.size, file.prefix)
            self._seen, self._seen_tail = 0, ()
            kept = self._known > 0 and file.prefix.size < before.read.size
            file.position = replace(
                before,
                read=before.read if kept else file.prefix.fingerprint(),
                resume=chunk.resume,
                complete=before.complete if kept else True,
                **self._sent(),
            )
        self._changed = self._changed or bool(messages) or chunk.resume is not None
        return messages[skipped:]

    def changes(self) -> Mapping[str, bytes | None]:
        if not self._changed:
            return {}
        self._changed = False
        changed = {**self._pending, self._file.key: dump(self._file.position)}
        self._pending.clear()
        return changed

    def _rest(self, size: int) -> Iterator[Input]:
        """Yield what a settled file of this size has after the place where to continue."""
        resume, name = self._file.position.resume, str(self._file.path)
        if resume is not None:
            yield Input(name, reader_of(self._stream(size), self._feed, self._options, resume=resume))
        else:
            yield from inputs_of(lambda: decompressed(self._stream(size)), name, self._feed, self._options)

    def _stream(self, size: int | None = None) -> Stream:
        self._bytes = _Bytes(self._opened, self._file.position.start, size)
        return Stream(self._bytes, str(self._file.path))

    def _sent(self) -> dict[str, Any]:
        """What the position says about the messages after the place where to continue."""
        sent = self._seen + self._known
        return {"sent": sent, "tail": (self._tail[-sent:] if sent else ()) if self._known else self._seen_tail}

    def _skipped(self, messages: list[bytes]) -> int:
        """Return how many of the messages are in the log; from the first different one on, none is."""
        count = min(self._known, len(messages))
        first = self._known - len(self._tail)  # index of the first message with a known digest
        for index in range(max(0, first), count):
            if tail_of((), messages[index : index + 1])[0] != self._tail[index - first]:
                self._known = index
                return index
        return count


class Noted(Bookmark):
    """Changes of the state without any records."""

    def __init__(self, pending: dict[str, bytes | None]) -> None:
        self._pending = pending

    def advance(self, chunk: Chunk, messages: list[bytes]) -> list[bytes]:
        return messages

    def changes(self) -> Mapping[str, bytes | None]:
        changed = dict(self._pending)
        self._pending.clear()
        return changed


class Nothing(Reader):
    """Reads nothing, so that the state is written."""

    def __init__(self) -> None:
        self.reading = Reading()

    def chunks(self) -> Iterator[Chunk]:
        return iter(())


class _Growing(Reader):
    """Reads the complete rows of a file that may grow; nothing if its format cannot be continued."""

    def __init__(self, stream: Stream, feed: Feed, options: IngestOptions, resume: Resume | None) -> None:
        self.reading = Reading()
        self._stream, self._feed, self._options, self._resume = stream, feed, options, resume

    def chunks(self) -> Iterator[Chunk]:
        continued = self._resume is not None
        try:
            if not continued and not self._can_be_continued():
                return
            reader = reader_of(self._stream, self._feed, self._options, resume=self._resume, final=False)
            self.reading = reader.reading
            for chunk in reader.chunks():
                if chunk.records and chunk.resume is None and not continued:
                    return
                continued = continued or chunk.resume is not None
                yield chunk
        except SourceError:
            if continued:  # otherwise it may be too short to be recognised: the error is raised once it has settled
                raise

    def _can_be_continued(self) -> bool:
        kind = detect_format(self._stream, self._options.format)
        return decompressed(self._stream) is self._stream and kind in _CONTINUED


class _Part(Reader):
    """Reads an input of a settled file; `ended` once it was read completely."""

    def __init__(self, reader: Reader) -> None:
        self.reading, self._reader = reader.reading, reader
        self.ended = False

    def chunks(self) -> Iterator[Chunk]:
        for chunk in self._reader.chunks():
            self.reading = self._reader.reading
            yield chunk
        self.reading = self._reader.reading
        self.ended = True


class _Bytes:
    """The bytes of a file from a position on, to the given end.

    Without an end, it keeps the bytes that were read, until they are passed on.
    """

    def __init__(self, file: FileIO, position: int, end: int | None = None) -> None:
        self._file, self._position, self._end = file, position, end
        self._kept: deque[bytes] = deque()

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        if self._end is not None:
            size = min(size, self._end - self._position)
        self._file.seek(self._position)
        data = self._file.read(size)
        self._position += len(data)
        if self._end is None:
            self._kept.append(data)
        return data

    def pass_on(self, size: int, prefix: Prefix) -> None:
        """Add the first kept bytes to a prefix."""
        while size:
            data = self._kept.popleft()
            prefix.add(data[:size])
            if len(data) > size:
                self._kept.appendleft(data[size:])
            size -= min(size, len(data))

    def close(self) -> None:
        """Do nothing: the file stays open."""
