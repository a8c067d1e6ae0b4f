"""Readers of a file that may grow: its complete rows, or a part of it once it has settled."""

from collections import deque
from collections.abc import Iterator
from io import FileIO

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.files.fingerprint import Prefix
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import kind_of, reader_of
from advertisex.ingestion.records import Chunk, Reader, Reading, Resume
from advertisex.ingestion.stream import Stream, decompressed

#: Formats that may be read while the file grows.
_CONTINUED = frozenset({"csv", "ndjson", "json", "avro"})


class Growing(Reader):
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
                    self.reading = Reading()  # all of it is read once the file has settled
                    return
                continued = continued or chunk.resume is not None
                yield chunk
        except SourceError:
            if continued:  # otherwise it may be too short to be recognised: the error is raised once it has settled
                raise

    def _can_be_continued(self) -> bool:
        kind = kind_of(self._stream, self._feed, self._options)
        return decompressed(self._stream) is self._stream and kind in _CONTINUED


class Part(Reader):
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


class FileBytes:
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
