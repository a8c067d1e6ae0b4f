"""Read a version of an object, and keep with its messages how far it has been read."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from advertisex.feeds import Feed
from advertisex.ingestion.files.growing import Part
from advertisex.ingestion.objects.bucket import Bucket, StoredObject
from advertisex.ingestion.objects.state import ObjectState, dump
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import Nothing, inputs_in
from advertisex.ingestion.records import Bookmark, Chunk, Input
from advertisex.ingestion.stream import Stream, decompressed

#: Bytes of an object that are requested together; on a slow line they have to arrive within the timeout.
BLOCK_BYTES = 4 * 2**20


class _Blocks:
    """The bytes of an object, requested block by block, all of the same version."""

    def __init__(self, bucket: Bucket, one: StoredObject) -> None:
        self._bucket, self._object = bucket, one
        self._position = 0
        self._block = memoryview(b"")

    def read1(self, size: int) -> bytes:
        """Read at most `size` bytes; empty at the end."""
        if not self._block and self._position < self._object.size:
            end = min(self._position + BLOCK_BYTES, self._object.size)
            self._block = memoryview(self._bucket.part(self._object, self._position, end))
            self._position = end
        data, self._block = self._block[:size], self._block[size:]
        return bytes(data)

    read = read1

    def close(self) -> None:
        """Do nothing: no connection is held between blocks."""
        self._block = memoryview(b"")


def opened(bucket: Bucket, one: StoredObject, name: str) -> Stream:
    """Open an object, decompressed if its content is.

    Raises:
        SourceError: it could not be read, or was replaced.
    """
    return decompressed(Stream(_Blocks(bucket, one), name))


class ObjectReading(Bookmark):
    """One reading of an object: from where the last one of the same version ended.

    Args:
        one: the object.
        name: its name in messages.
        key: the key of its state in the log.
        before: what was known about it.
        changed: called with each new state that is written.
    """

    def __init__(
        self,
        one: StoredObject,
        name: str,
        key: str,
        before: ObjectState | None,
        changed: Callable[[ObjectState], None],
    ) -> None:
        same = before is not None and before.version == one.version
        self._before = before if before is not None and same else ObjectState(one.version, one.modified)
        self._name, self._key, self._on_change = name, key, changed
        self._finished, self._sent = self._before.finished, dict(self._before.sent)
        self._index = self._known = self._seen = 0
        self._part = Part(Nothing())
        self._last = self._complete = False
        self._every = True

    @property
    def complete(self) -> bool:
        """Whether all of the object has been read."""
        return self._complete or (self._last and self._part.ended and self._finished == self._index)

    def inputs(self, stream: Stream, feed: Feed, options: IngestOptions) -> Iterator[Input]:
        """Yield the object, or the members of an archive. Each is to be read before the next is requested.

        After the last one, `changes` may have more to write.

        Raises:
            SourceError: the object could not be read.
        """
        finished_before = self._finished
        for self._index, one in enumerate(inputs_in(stream, feed, options)):
            if self._index < finished_before:
                continue
            self._part, self._known, self._seen = Part(one.reader), self._sent.get(self._index, 0), 0
            self._last = one.name == self._name  # not a member
            yield Input(one.name, self._part, self)
            self._every = self._every and self._part.ended
            self._complete = self.complete
            if self._finished == self._index and self._part.ended:
                self._finished += 1
                self._sent.pop(self._index, None)
        self._complete = self._complete or self._every

    def advance(self, chunk: Chunk, messages: list[bytes]) -> tuple[list[bytes], Sequence[int]]:
        skipped = min(self._known, len(messages))
        self._known -= skipped
        if skipped:
            self._part.reading.skipped["appended before"] += skipped
        self._seen += len(messages)
        self._sent[self._index] = self._seen + self._known
        return messages[skipped:], chunk.lines[skipped:]

    def changes(self) -> Mapping[str, bytes | None]:
        state = self._state()
        if state == self._before:
            return {}
        self._before = state
        self._on_change(state)
        return {self._key: dump(state)}

    def _state(self) -> ObjectState:
        version, modified = self._before.version, self._before.modified
        if self.complete:
            return ObjectState(version, modified, complete=True)
        return ObjectState(version, modified, finished=self._finished, sent=dict(self._sent))
