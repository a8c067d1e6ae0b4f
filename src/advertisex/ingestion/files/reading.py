"""Read a followed file from its position on, and keep the position with the messages."""

from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from typing import Any

import structlog
from msgspec.structs import replace

from advertisex.feeds import Feed
from advertisex.ingestion.files.followed_file import FollowedFile
from advertisex.ingestion.files.growing import FileBytes, Growing, Part
from advertisex.ingestion.files.positions import dump, last_digests_of
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import Nothing, inputs_of, reader_of
from advertisex.ingestion.records import Bookmark, Chunk, Input, Reader
from advertisex.ingestion.stream import Stream, decompressed

_LOG = structlog.get_logger(__name__)


class FileReading(Bookmark):
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
        self._known, self._known_digests = file.position.sent, file.position.last_digests
        self._seen, self._seen_digests = 0, tuple[bytes, ...]()
        self._changed = False
        self._reader: Reader = Nothing()

    def inputs(self) -> Iterator[Input]:
        """Yield what is to be read: the file, or the members of an archive. Each is read before the next is requested.

        Raises:
            OSError: the file could not be read.
        """
        name, file, before = str(self._file.path), self._file, self._file.position
        if not self._settled:
            self._reader = Growing(self._stream(), self._feed, self._options, before.resume)
            yield Input(name, self._reader, self)
            return
        assert file.version is not None
        file.settled = file.version
        read = file.prefix.extended(self._opened, file.version[0]).fingerprint()
        if read == before.read and before.complete:
            return
        file.position = replace(before, read=read, complete=False)
        complete, format_ = True, ""
        for one in self._rest(read.size):
            format_ = format_ or ("" if one.name == name else "zip")
            self._reader = part = Part(one.reader)
            yield Input(one.name, part, self)
            complete = complete and part.ended
        if complete:
            file.position = replace(file.position, complete=True)
            self._changed = True
            yield Input(name, Nothing(format_), self)

    def advance(self, chunk: Chunk, messages: list[bytes]) -> tuple[list[bytes], Sequence[int]]:
        skipped = self._skipped(messages)
        self._known -= skipped
        if skipped:
            self._reader.reading.skipped["appended before"] += skipped
        self._seen += len(messages)
        self._seen_digests = last_digests_of(self._seen_digests, messages)
        file = self._file
        before = replace(file.position, messages=file.position.messages + len(messages) - skipped)
        if self._settled or chunk.resume is None:
            file.position = replace(before, **self._sent(), complete=False)
        else:
            self._bytes.pass_on(chunk.resume.position - file.prefix.size, file.prefix)
            self._seen, self._seen_digests = 0, ()
            kept = self._known > 0 and file.prefix.size < before.read.size
            file.position = replace(
                before,
                read=before.read if kept else file.prefix.fingerprint(),
                resume=chunk.resume,
                complete=before.complete if kept else True,
                **self._sent(),
            )
        self._changed = self._changed or bool(messages) or chunk.resume is not None
        return messages[skipped:], chunk.lines[skipped:]

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
        self._bytes = FileBytes(self._opened, self._file.position.start, size)
        return Stream(self._bytes, str(self._file.path))

    def _sent(self) -> dict[str, Any]:
        """What the position says about the messages after the place where to continue."""
        sent, digests = self._seen + self._known, self._seen_digests
        if self._known:
            digests = self._known_digests[-sent:]
        return {"sent": sent, "last_digests": digests}

    def _skipped(self, messages: list[bytes]) -> int:
        """Return how many of the messages are in the log; from the first different one on, none is."""
        count = min(self._known, len(messages))
        first = self._known - len(self._known_digests)  # index of the first message with a known digest
        for index in range(max(0, first), count):
            if last_digests_of((), messages[index : index + 1])[0] != self._known_digests[index - first]:
                self._known = index
                _LOG.warning(
                    "a row was read before it was complete",
                    file=str(self._file.path),
                    hint="the whole row is appended, too; look for an event of its first part",
                )
                return index
        return count


class Noted(Bookmark):
    """Changes of the state without any records."""

    def __init__(self, pending: dict[str, bytes | None]) -> None:
        self._pending = pending

    def advance(self, chunk: Chunk, messages: list[bytes]) -> tuple[list[bytes], Sequence[int]]:
        return messages, chunk.lines

    def changes(self) -> Mapping[str, bytes | None]:
        changed = dict(self._pending)
        self._pending.clear()
        return changed
