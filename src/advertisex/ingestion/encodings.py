"""Text encodings of inputs: what the first bytes show, and UTF-8 in place of UTF-16 and UTF-32."""

import codecs

from advertisex.ingestion.stream import BLOCK, Stream

#: Byte order marks, the longest first: that of UTF-32 LE begins with that of UTF-16 LE.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Encodings in which an ASCII character takes more than one byte.
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def shown_encoding(head: bytes) -> tuple[str | None, int]:
    """Return the encoding that the first four bytes show, and the length of the byte order mark; None if unknown.

    Without a mark, UTF-16 and UTF-32 are recognised by the zero bytes of an ASCII character (RFC 4627, section 3).
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, len(mark)
    zeros = tuple(byte == 0 for byte in head[:4])
    patterns: dict[tuple[bool, ...], str] = {
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
    }
    return patterns.get(zeros), 0


class _Utf8:
    """A file that reads as UTF-8 what another stream has in a different encoding; damage becomes U+FFFD."""

    def __init__(self, stream: Stream, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ended = False

    def read(self, size: int = BLOCK) -> bytes:
        while not self._ended:
            data = self._stream.read1(size)
            self._ended = not data
            # a lone surrogate in UTF-16 is damage, too
            if text := self._decoder.decode(data, final=self._ended):
                return text.encode("utf-8", "replace")
        return b""

    def close(self) -> None:
        self._stream.close()


def as_utf8(stream: Stream, encoding: str) -> Stream:
    """Return a stream of the text in UTF-8, without its byte order mark.

    Args:
        stream: text at its first byte.
        encoding: its encoding, as Python names it. Characters that cannot be decoded become U+FFFD.
    """
    shown, mark = shown_encoding(stream.peek(4))
    if mark and shown == encoding:
        stream.read(mark)
    return Stream(_Utf8(stream, encoding), stream.name)
