"""The text that a reader has read and not yet split."""

from advertisex.errors import SourceError
from advertisex.ingestion.stream import Stream

#: A block of this size stays in the cache of a processor while its values are split.
_BLOCK = 2**17


class Text:
    """A buffer before a stream of UTF-8.

    Args:
        stream: the stream.
        position: bytes of the input before it.

    Attributes:
        buffer: what was read and not dropped.
        position: bytes of the input before the buffer.
        ended: whether the stream has no more.
        failure: the error that ended it.
    """

    def __init__(self, stream: Stream, position: int) -> None:
        self.buffer = b""
        self.position = position
        self.ended = False
        self.failure: SourceError | None = None
        self._stream = stream

    def read(self) -> None:
        """Read a block, or as much as there is already, so that what needs all of it costs linear time."""
        parts = [self.buffer] if self.buffer else []
        wanted = max(1, len(self.buffer))
        while wanted > 0:
            part = self._block()
            if not part:
                self.ended = True
                break
            parts.append(part)
            wanted -= len(part)
            if wanted > 0 and self.idle():
                break
        self.buffer = parts[0] if len(parts) == 1 else b"".join(parts)

    def drop(self, size: int) -> None:
        """Remove bytes from the start of the buffer."""
        self.buffer = self.buffer[size:]
        self.position += size

    def idle(self) -> bool:
        """Whether the next read would have to wait."""
        return self._stream.idle()

    def _block(self) -> bytes:
        try:
            return self._stream.read1(_BLOCK)
        except SourceError as error:
            self.failure = error
            return b""
