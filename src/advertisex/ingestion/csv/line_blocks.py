r"""Cut a stream into blocks of whole lines, in bounded memory. A line ends with `\n`, `\r\n` or `\r`."""

from typing import NamedTuple

from advertisex.errors import SourceError
from advertisex.ingestion.records import KEPT_BYTES, MESSAGE_BYTES
from advertisex.ingestion.stream import Stream

#: Size of a block in bytes, unless one line is longer. Larger blocks are slower: they do not fit into the cache.
BLOCK_BYTES = 2**18


class Block(NamedTuple):
    """Whole lines.

    Attributes:
        data: the lines with their line ends; the beginning of a line that is longer than a message can be.
        end: bytes of the stream up to the end of the block.
        is_last: whether no line of a row that begins in this block follows.
        too_long: size of the line of which `data` is the beginning; 0 for whole lines.
    """

    data: bytes
    end: int
    is_last: bool
    too_long: int = 0


class Blocks:
    """The blocks of a stream.

    Args:
        stream: text in an encoding that keeps ASCII.
        position: bytes before it.
        final: whether a last line without a line end is complete.
    """

    def __init__(self, stream: Stream, position: int, *, final: bool) -> None:
        self.failure: SourceError | None = None
        self.ended = False
        self._stream, self._position, self._final = stream, position, final
        self._buffer = bytearray()
        self._searched = 0
        self._returned = 0

    def next(self) -> Block | None:
        """Return the next block; None at the end."""
        while True:
            if end := self._last_line_end():
                return self._take(end)
            if self.ended:
                return self._take(len(self._buffer)) if self._buffer and self._is_complete() else None
            if len(self._buffer) - self._returned > MESSAGE_BYTES:
                if self._returned:
                    return self._take(self._returned, is_last=True)
                return self._drop_line()
            self._fill()

    def put_back(self, lines: bytes) -> None:
        """Return the last lines of the block, to get them again together with what follows."""
        self._buffer[:0] = lines
        self._position -= len(lines)
        self._returned = self._searched = len(lines)

    def is_idle(self) -> bool:
        """Whether the next block would have to wait for input."""
        return len(self._buffer) <= self._returned and not self.ended and self._stream.idle()

    def _is_complete(self) -> bool:
        return self._final and self.failure is None

    def _take(self, end: int, *, is_last: bool = False) -> Block:
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._position += end
        self._searched = self._returned = 0
        return Block(data, self._position, is_last or (self.ended and self._is_complete() and not self._buffer))

    def _last_line_end(self) -> int:
        """The end of the last line in the buffer, 0 if there is none that was not searched before."""
        buffer, start = self._buffer, self._searched
        end = buffer.rfind(b"\n", start) + 1
        if not end:
            # the last byte may be the first one of \r\n
            end = buffer.rfind(b"\r", max(start - 1, self._returned), len(buffer) - 1) + 1
        self._searched = len(buffer)
        return end

    def _fill(self) -> None:
        wanted = len(self._buffer) + BLOCK_BYTES
        while not self.ended and (missing := wanted - len(self._buffer)) > 0:
            try:
                part = self._stream.read1(missing)
            except SourceError as error:
                self.failure, part = error, b""
            self._buffer += part
            self.ended = not part
            if self._stream.idle():
                return

    def _drop_line(self) -> Block | None:
        """Drop the first line in the buffer, which is too long; None if its end is not known yet."""
        start, beginning = self._position, bytes(self._buffer[:KEPT_BYTES])
        while True:
            ends = [end for end in (self._buffer.find(b"\n"), self._buffer.find(b"\r", 0, -1)) if end >= 0]
            if ends or (self.ended and self._is_complete()):
                end = min(ends) if ends else len(self._buffer)
                size = self._position + end - start
                end += 2 if self._buffer[end : end + 2] == b"\r\n" else 1
                self._position += min(end, len(self._buffer))
                del self._buffer[:end]
                self._searched = 0
                return Block(beginning, self._position, is_last=False, too_long=size)
            if self.ended:
                return None
            kept = 1 if self._buffer.endswith(b"\r") else 0
            self._position += len(self._buffer) - kept
            del self._buffer[: len(self._buffer) - kept]
            self._fill()
